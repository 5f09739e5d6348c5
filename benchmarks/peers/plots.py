"""The plots of docs/benchmarks.md: SVG without a background, one accent, readable in light and dark.

Text stays text. A grey that reads on white and on black is the default of every
stroke and letter; where a reader's theme is known, a rule in the file makes it
darker or lighter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from benchmarks.peers.systems import Kind

INK: Final = "#757575"
ACCENT: Final = "#1a9c88"
FAINT: Final = "#a3a3a3"
STYLE: Final = (
    "<style>@media (prefers-color-scheme: light) { text[style*='#757575'] { fill: #333 !important } }"
    " @media (prefers-color-scheme: dark) { text[style*='#757575'] { fill: #ddd !important } }</style>"
)
"""Letters follow the theme; marks and lines keep their grey."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A value of one system."""

    title: str
    value: float
    kind: Kind


@dataclass(frozen=True, slots=True)
class Dots:
    """A mean of one system with the ends of its interval."""

    title: str
    low: float
    mean: float
    high: float
    kind: Kind


def draw_bars(path: Path, bars: Sequence[Bar], label: str, *, log: bool = False) -> None:
    """Horizontal bars, the first on top, each with its number behind it."""
    figure, axes = _figure(1, len(bars))
    axis = axes[0]
    for place, bar in enumerate(bars):
        axis.barh(place, bar.value, color=_colour(bar.kind), height=0.62)
        axis.annotate(
            f"{bar.value:,.3g}" if bar.value < 1000 else f"{bar.value:,.0f}",
            (bar.value, place), xytext=(4, 0), textcoords="offset points", va="center", color=INK,
        )  # fmt: skip
    if log:
        axis.set_xscale("log")
    axis.margins(x=0.14)
    _finish(axis, [bar.title for bar in bars], label)
    _save(figure, path)


def draw_dots(path: Path, panels: Sequence[tuple[str, Sequence[Dots]]]) -> None:
    """A panel for each measure, a row for each system: its mean and its interval."""
    titles = list(dict.fromkeys(row.title for _, rows in panels for row in rows))
    figure, axes = _figure(len(panels), len(titles))
    for axis, (heading, rows) in zip(axes, panels, strict=True):
        for row in rows:
            place, colour = titles.index(row.title), _colour(row.kind)
            axis.plot([row.low, row.high], [place, place], color=colour, linewidth=1.5)
            axis.plot([row.mean], [place], "o", color=colour, markersize=6)
        axis.set_ylim(-0.6, len(titles) - 0.4)
        _finish(axis, titles, heading)
    _save(figure, path)


def _figure(columns: int, rows: int) -> tuple[Any, list[Any]]:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "openbook", "font.size": 9})
    import matplotlib.pyplot as plt

    size = (9.5, max(1.2, 0.34 * rows + 0.7))
    figure, axes = plt.subplots(1, columns, figsize=size, sharey=True, squeeze=False, layout="constrained")
    return figure, list(axes[0])


def _colour(kind: Kind) -> str:
    return {"ours": ACCENT, "peer": INK, "limit": FAINT}[kind]


def _finish(axis: Any, titles: Sequence[str], label: str) -> None:
    axis.set_yticks(range(len(titles)), titles)
    if not axis.yaxis_inverted():
        axis.invert_yaxis()
    axis.set_xlabel(label, color=INK)
    axis.tick_params(colors=INK, length=0)
    axis.grid(visible=True, axis="x", color=FAINT, alpha=0.3, linewidth=0.6)
    axis.set_axisbelow(True)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _save(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure.savefig(path, transparent=True, metadata={"Date": None})
    plt.close(figure)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("<defs>", f"{STYLE}\n <defs>", 1), encoding="utf-8")

"""The pictures of a report, as plain SVG that fits any width.

Places along the width are in per cent, so that a picture grows with the page while its
text and strokes stay as they are; colours come from the page's stylesheet
by class, so that they follow its theme. Every picture says in words what it shows.

Refused: a library for plots (megabytes for a few lines and dots), and one SVG with a
viewBox, whose text shrinks to nothing on a phone.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from openbook.wording import one_line

SERIES: Final = 6
"""Colours that there are; further series begin again with the first."""
_ROW: Final = 20
_PLOT: Final = 180
_EDGE: Final = 2.5
"""Per cent of the width that stay free on either side, so that dots at 0 and 1 are whole."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A value with the ends of its interval, where there is one. `series` chooses colour and shape."""

    value: float
    low: float | None = None
    high: float | None = None
    series: int = 0
    label: str = ""


def text(value: str) -> str:
    """Any text as HTML: on one line, control and direction characters made visible, markup escaped."""
    return html.escape(one_line(value), quote=True)


def dots(rows: Sequence[Dot], *, says: str) -> str:
    """Dots with their intervals on a line from 0 to 1, one below the other."""
    height = _ROW * max(len(rows), 1)
    parts = [_grid(height)]
    for number, dot in enumerate(rows):
        y = _ROW * number + _ROW / 2
        parts.append(_interval(dot, y) + _marker(_x(dot.value), y, dot.series))
    return _svg(height, "".join(parts), says=says, kind="dots")


def differences(values: Sequence[float], *, says: str) -> str:
    """A bar for each question that changed, the most improved on the left; the line is "no change"."""
    height, middle = 120, 60
    largest = max((abs(value) for value in values), default=1.0)
    step = min(100 / max(len(values), 1), 4.0)
    parts: list[str] = []
    for number, value in enumerate(values):
        size = max(1.5, abs(value) / largest * (middle - 4))
        top = middle - size if value > 0 else middle
        kind = "better" if value > 0 else "worse"
        parts.append(
            f'<rect class="{kind}" x="{number * step:.3f}%" y="{top:.1f}" width="{step * 0.8:.3f}%" '
            f'height="{size:.1f}" rx="1"/>'
        )
    parts.append(f'<line class="axis" x1="0" x2="100%" y1="{middle}" y2="{middle}"/>')
    return _svg(height, "".join(parts), says=says, kind="changes")


def over_time(series: Sequence[Sequence[Dot]], *, says: str) -> str:
    """Values in the order in which they were measured, one line for each series, with their intervals."""
    every = [
        end for line in series for dot in line for end in (dot.value, dot.low, dot.high) if end is not None
    ]
    bottom, top = _bounds(every)
    most = max((len(line) for line in series), default=1)

    def y(value: float) -> float:
        return 8 + (top - value) / (top - bottom) * (_PLOT - 16)

    def x(place: int, length: int) -> float:
        # The newest of every line stands at the right.
        return 50.0 if most == 1 else 9 + 88 * (place + most - length) / (most - 1)

    parts: list[str] = []
    for value in _ticks(bottom, top):
        parts.append(f'<line class="grid" x1="7%" x2="100%" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text class="tick" x="0" y="{y(value) + 4:.1f}">{value:.2f}</text>')
    for line in series:
        parts += [_segment(line, place, x, y) for place in range(1, len(line))]
        for place, dot in enumerate(line):
            where = x(place, len(line))
            if dot.low is not None and dot.high is not None:
                parts.append(
                    f'<line class="bar s{dot.series % SERIES}" x1="{where:.2f}%" x2="{where:.2f}%" '
                    f'y1="{y(dot.high):.1f}" y2="{y(dot.low):.1f}"/>'
                )
            parts.append(_marker(where, y(dot.value), dot.series, title=dot.label))
    return _svg(_PLOT, "".join(parts), says=says, kind="history")


def key(series: int) -> str:
    """The dot of a series, for a legend."""
    return (
        f'<svg class="key" width="14" height="14" aria-hidden="true">{_shape(series, "translate(7 7)")}</svg>'
    )


def _segment(line: Sequence[Dot], place: int, x, y) -> str:  # type: ignore[no-untyped-def]
    before, after = line[place - 1], line[place]
    return (
        f'<line class="line s{after.series % SERIES}" x1="{x(place - 1, len(line)):.2f}%" '
        f'y1="{y(before.value):.1f}" x2="{x(place, len(line)):.2f}%" y2="{y(after.value):.1f}"/>'
    )


def _svg(height: float, content: str, *, says: str, kind: str) -> str:
    said = text(says)
    return (
        f'<svg class="plot {kind}" role="img" aria-label="{said}" width="100%" height="{height:g}">'
        f"<title>{said}</title>{content}</svg>"
    )


def _x(value: float) -> float:
    return _EDGE + (100 - 2 * _EDGE) * min(max(value, 0.0), 1.0)


def _grid(height: float) -> str:
    return "".join(
        f'<line class="grid" x1="{_x(share):.2f}%" x2="{_x(share):.2f}%" y1="0" y2="{height:g}"/>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    )


def _interval(dot: Dot, y: float) -> str:
    if dot.low is None or dot.high is None:
        return ""
    left, right, kind = _x(dot.low), _x(dot.high), f"bar s{dot.series % SERIES}"
    ends = "".join(
        f'<line class="{kind}" x1="{x:.2f}%" x2="{x:.2f}%" y1="{y - 4:g}" y2="{y + 4:g}"/>'
        for x in (left, right)
    )
    return f'<line class="{kind}" x1="{left:.2f}%" x2="{right:.2f}%" y1="{y:g}" y2="{y:g}"/>{ends}'


def _marker(x: float, y: float, series: int, *, title: str = "") -> str:
    """A shape at x per cent: a nested svg takes the per cent, its content stays in pixels."""
    said = f"<title>{text(title)}</title>" if title else ""
    return f'<svg x="{x:.2f}%" y="{y:.1f}" overflow="visible">{_shape(series, "", said)}</svg>'


def _shape(series: int, transform: str, inside: str = "") -> str:
    kind = f'class="mark s{series % SERIES}"' + (f' transform="{transform}"' if transform else "")
    match series % 4:
        case 0:
            return f'<circle {kind} r="5">{inside}</circle>'
        case 1:
            return f'<path {kind} d="M-4.5 -4.5h9v9h-9z">{inside}</path>'
        case 2:
            return f'<path {kind} d="M0 -6L6 0L0 6L-6 0z">{inside}</path>'
        case _:
            return f'<path {kind} d="M0 -6L5.5 4.5H-5.5z">{inside}</path>'


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    """The lowest and highest value with some air, at least a twentieth apart, within 0 to 1."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    air = max((high - low) * 0.1, 0.025)
    return max(0.0, low - air), min(1.0, high + air) if high <= 1 else high + air


def _ticks(bottom: float, top: float) -> list[float]:
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, top) if (top - bottom) / step <= 6)
    first = math.ceil(bottom / step - 1e-9)
    return [number * step for number in range(first, math.floor(top / step + 1e-9) + 1)]

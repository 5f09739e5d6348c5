"""The panel beside an answer in which its sources open, one citation after the other.

On a wide screen it is the right half of the page, on a phone a sheet over it.
Esc closes it, and the focus goes back to where it was opened from.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui
from nicegui.element import Element

from openbook.serve.desk import Desk
from openbook.serve.web.parts import button, plain
from openbook.serve.web.source_view import SourceView, Spot
from openbook.types import Answer, Citation, Evidence


class SourcePanel:
    """The panel, closed at first. `around` is the element whose class says whether it is open."""

    def __init__(self, desk: Desk, link: Callable[..., str], around: Element) -> None:
        self._around = around
        self._client = ui.context.client
        self._spots: Sequence[Spot] = ()
        self._at = 0
        self._panel = ui.element("aside").classes("ob-panel")
        self._panel.props["aria-label"] = "Source"
        self._panel.set_visibility(False)
        with self._panel:
            with ui.element("div").classes("ob-panel__bar"):
                self._number = ui.element("div").classes("ob-panel__number")
                with ui.element("div").classes("ob-row ob-panel__steps"):
                    self._before = button(
                        "Previous citation",
                        self._step(-1),
                        icon="o_chevron_left",
                        kind="quiet",
                        small=True,
                        only_icon=True,
                    )
                    self._after = button(
                        "Next citation",
                        self._step(+1),
                        icon="o_chevron_right",
                        kind="quiet",
                        small=True,
                        only_icon=True,
                    )
                close = button(
                    "Close the source (Esc)",
                    self.close,
                    icon="o_close",
                    kind="quiet",
                    small=True,
                    only_icon=True,
                )
                close.classes("ob-panel__close")
            self._view = SourceView(desk, link)

    async def open(self, spots: Sequence[Spot], at: int) -> None:
        """Show one of these places, the others being a step away."""
        self._spots, self._at = spots, at
        self._panel.set_visibility(True)
        self._around.classes(add="ob-ask--open")
        self._draw_bar()
        await self._view.show(spots[at])
        self._client.run_javascript("openbookAsk.opened()")

    def close(self) -> None:
        """Close the panel and give the focus back."""
        self._panel.set_visibility(False)
        self._around.classes(remove="ob-ask--open")
        self._client.run_javascript("openbookAsk.closed()")

    def _draw_bar(self) -> None:
        spot = self._spots[self._at]
        self._number.clear()
        with self._number:
            with ui.element("span").classes("ob-cite ob-cite--still"):
                plain(str(spot.number))
            plain(f"{self._at + 1} of {len(self._spots)}")
        for step, usable in ((self._before, self._at > 0), (self._after, self._at < len(self._spots) - 1)):
            step.props["disabled"] = not usable
            step.update()

    def _step(self, by: int) -> Callable[[], Awaitable[None]]:
        async def step() -> None:
            at = self._at + by
            if 0 <= at < len(self._spots):
                self._at = at
                self._draw_bar()
                await self._view.show(self._spots[at])

        return step


def citation_spots(answer: Answer) -> list[Spot]:
    """The places that an answer cites, in its order; one for each citation."""
    pieces = {piece.number: piece for piece in answer.evidence}
    return [_of_citation(one, pieces.get(one.number)) for one in answer.citations]


def evidence_spots(answer: Answer) -> list[Spot]:
    """The places of the evidence, in the order of their numbers."""
    return [
        Spot(piece.document_id, piece.start, piece.end, piece.number, piece.text, piece.path, exact=False)
        for piece in answer.evidence
    ]


def _of_citation(citation: Citation, piece: Evidence | None) -> Spot:
    if piece is None:
        return Spot(0, number=citation.number, quote=citation.quote)
    start, end = citation.source_start, citation.source_end
    if not 0 <= start < end:
        start, end = piece.start, piece.end
    return Spot(piece.document_id, start, end, citation.number, citation.quote, piece.path)

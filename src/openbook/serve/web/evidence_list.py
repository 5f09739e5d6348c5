"""What an answer rests on, or what came nearest: numbered places, and on request why they were found.

Why is looked up when somebody unfolds it: the answer itself does not need it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from nicegui import ui
from nicegui.element import Element

from openbook.serve.web.hit_list import excerpt, why_html
from openbook.serve.web.parts import button, plain, text
from openbook.snippets import place_name
from openbook.types import Answer, Evidence, Hit
from openbook.wording import count, one_line

SHOWN_CHARACTERS = 260
"""Characters of a piece of evidence in the list."""


class EvidenceList:
    """The evidence of one answer as a list that folds. Made inside the element that it is to stand in."""

    def __init__(
        self,
        answer: Answer,
        *,
        show: Callable[[int], Awaitable[None]],
        why: Callable[[], Awaitable[Mapping[int, Hit]]],
        opened: bool,
    ) -> None:
        self._answer = answer
        self._show = show
        self._why = why
        self._places: dict[int, Element] = {}
        self._cited = {citation.number for citation in answer.citations}
        box = ui.element("details").classes("ob-evidence")
        if opened:
            box.props["open"] = True
        with box:
            with ui.element("summary").classes("ob-evidence__summary"):
                ui.icon("o_library_books").props("aria-hidden=true")
                plain(summary_of(answer))
            with ui.element("ol").classes("ob-evidence__list"):
                for piece in answer.evidence:
                    self._item(piece)
            self._explain = button(
                "Why these?", self._explained, icon="o_query_stats", kind="quiet", small=True
            )

    def _item(self, piece: Evidence) -> None:
        with ui.element("li").classes("ob-evidence__item"):
            opener = ui.element("button").classes("ob-evidence__open")
            opener.props.update({"type": "button", "data-evidence": str(piece.number)})
            with opener:
                text("span", str(piece.number), "ob-evidence__number")
                with ui.element("span").classes("ob-evidence__place"):
                    text("span", one_line(piece.path), "ob-evidence__path")
                    spot = place_name("", piece.place, piece.heading, piece.page).removeprefix(", ")
                    text("span", spot, "ob-evidence__spot")
                if piece.number in self._cited:
                    text("span", "cited", "ob-evidence__cited")
                text("span", f"{piece.score:.2f}", "ob-evidence__score ob-numbers").props["title"] = "Score"
                text("span", excerpt(piece.text, (), limit=SHOWN_CHARACTERS), "ob-evidence__text")

            async def clicked() -> None:
                await self._show(piece.number)

            opener.on("click", clicked, js_handler="(event) => openbookAsk.opening(event, emit)")
            self._places[piece.number] = ui.element("div").classes("ob-evidence__why")

    async def _explained(self) -> None:
        hits = await self._why()
        best = max((hit.score for hit in hits.values()), default=0.0)
        for number, place in self._places.items():
            place.clear()
            with place:
                if number in hits:
                    ui.html(why_html(hits[number], best), sanitize=False)
                else:
                    text("p", "Found no more when the same is searched for now.", "ob-small ob-muted")
        self._explain.set_visibility(False)


def summary_of(answer: Answer) -> str:
    """How much evidence there is, in words."""
    documents = count(len({piece.document_id for piece in answer.evidence}), "document")
    places = count(len(answer.evidence), "place")
    if answer.status == "not_found":
        return f"The nearest misses: {places} in {documents}"
    return f"Evidence: {places} in {documents}"


def hits_by_evidence(answer: Answer, hits: Mapping[int, list[Hit]]) -> dict[int, Hit]:
    """For each number of evidence the best hit that lies in it. `hits` are by document, best first."""
    found: dict[int, Hit] = {}
    for piece in answer.evidence:
        for hit in hits.get(piece.document_id, ()):
            if hit.start < piece.end and hit.end > piece.start:
                found[piece.number] = hit
                break
    return found

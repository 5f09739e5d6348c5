"""One question and what comes of it, from the moment it is asked to the checked answer.

    asked → evidence, as soon as it is found → text, as it arrives → the answer, its claims told apart
          → or: not in the documents; stopped; failed, with what to do

Text of documents and of models is put into the page as text, or as the HTML
that `openbook.serve.view` has cleaned.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nicegui import ui
from nicegui.element import Element

from openbook.errors import KeyRefused, LanguageModelError, ModelBusy, ModelUnknown, ModelUnreachable
from openbook.events import Event, RetrievalEvent, TokenEvent
from openbook.serve.view.answers import answer_html
from openbook.serve.web.evidence_list import EvidenceList
from openbook.serve.web.parts import button, plain, skeleton, state, text
from openbook.types import Answer, Hit
from openbook.wording import count, duration, one_line

REDRAWN_SECONDS: Final = 0.1
"""How often text is drawn anew while it arrives."""
QUOTING: Final = "quotes"
"""The generator that needs no language model."""

_CONFIDENCE: Final = (
    (0.9, "very sure"),
    (0.7, "sure"),
    (0.5, "fairly sure"),
    (0.25, "unsure"),
    (0.0, "very unsure"),
)

_REMEDIES: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (
        ModelUnreachable,
        "The language model cannot be reached",
        "Start its server, or check its address and your network. Quotes from your documents need no model.",
    ),
    (
        KeyRefused,
        "The language model refused the key",
        "Set the right key in the environment of openbook serve and start it again. Quotes need none.",
    ),
    (
        ModelUnknown,
        "The server does not know this language model",
        "Check the name of the model in the settings. Quotes from your documents need no model.",
    ),
    (
        ModelBusy,
        "The language model is busy",
        "Too many people ask it at once. Try again in a moment, or take quotes from your documents.",
    ),
    (
        LanguageModelError,
        "The language model did not answer",
        "Try again, or take quotes from your documents, which need no model.",
    ),
)


@dataclass(frozen=True, slots=True)
class Reactions:
    """What a page does when somebody uses a turn.

    `cite(answer, place)` opens the citation at this place of `answer.citations`,
    `show(answer, number)` the evidence of this number, `again(question, quotes)` asks once more, with
    `quotes` without a language model. `why(answer)` finds what explains the evidence.
    """

    cite: Callable[[Answer, int], Awaitable[None]]
    show: Callable[[Answer, int], Awaitable[None]]
    again: Callable[[str, bool], Awaitable[None]]
    copy: Callable[[Answer], None]
    why: Callable[[Answer], Awaitable[Mapping[int, Hit]]]
    link: Callable[..., str]


class TurnView:
    """One turn of a conversation. Made inside the element that it is to stand in."""

    def __init__(self, question: str, reactions: Reactions) -> None:
        self._question = question
        self._reactions = reactions
        self._arrived = self._drawn = ""
        self._arriving: ui.html | None = None
        self._flushing: ui.timer | None = None
        self._element = ui.element("article").classes("ob-turn")
        with self._element:
            text("h2", question, "ob-question")
            self._meant = ui.element("p").classes("ob-turn__meant ob-small ob-muted")
            self._body = ui.element("div").classes("ob-turn__body")
            self._body.props.update({"aria-live": "polite", "aria-busy": "false"})
            self._foot = ui.element("div").classes("ob-turn__foot")
            self._evidence = ui.element("div")

    @property
    def element(self) -> Element:
        """The turn in the page."""
        return self._element

    # -- while it comes about --------------------------------------------------

    def wait(self) -> None:
        """Show that an answer is on its way."""
        self._busy(True)
        with self._fresh(self._body):
            text("span", "Looking in your documents …", "ob-visually-hidden")
            skeleton(3)

    def see(self, event: Event) -> None:
        """Show what has just happened."""
        if isinstance(event, RetrievalEvent):
            self._understood(event.meant)
            found = Answer(event.question, "", "answered", event.confidence, evidence=event.evidence)
            self._show_evidence(found, opened=False)
        elif isinstance(event, TokenEvent):
            self._arrived += event.text
            if self._arriving is None:
                with self._fresh(self._body):
                    self._arriving = ui.html(sanitize=False).classes("ob-answer ob-answer--arriving")
                    self._flushing = ui.timer(REDRAWN_SECONDS, self._flush)

    # -- how it ends -----------------------------------------------------------

    def show(self, answer: Answer, *, redacted: str = "") -> None:
        """Show the answer, or that there is none."""
        self._understood(answer.meant)
        with self._fresh(self._body):
            if redacted:
                _note("o_info", redacted)
            if answer.status == "not_found":
                self._not_found(answer)
            elif answer.text:
                self._answered(answer)
        with self._fresh(self._foot):
            self._facts(answer)
            _notes(answer)
        self._show_evidence(answer, opened=answer.status == "not_found")
        self._busy(False)

    def stopped(self) -> None:
        """Show that it was stopped before anything arrived."""
        with self._fresh(self._body):
            _note("o_stop_circle", "Stopped before anything arrived.")
        with self._fresh(self._foot), ui.element("div").classes("ob-row"):
            button("Ask again", self._again(quotes=False), icon="o_refresh", small=True)
        self._busy(False)

    def failed(self, error: Exception) -> None:
        """Show what went wrong, and what can be done."""
        title, remedy = remedy_for(error)
        with self._fresh(self._body):
            card = state(
                "o_cloud_off" if isinstance(error, LanguageModelError) else "o_error_outline",
                title,
                remedy,
                bad=True,
            )
            with card:
                with ui.element("div").classes("ob-row"):
                    button("Try again", self._again(quotes=False), icon="o_refresh", kind="primary")
                    if isinstance(error, LanguageModelError):
                        button("Answer with quotes", self._again(quotes=True), icon="o_format_quote")
                with ui.element("details").classes("ob-details ob-small"):
                    text("summary", "What exactly happened")
                    text("p", one_line(str(error)) or type(error).__name__, "ob-mono")
        self._foot.clear()
        self._busy(False)

    # -- inside ----------------------------------------------------------------

    def _flush(self) -> None:
        if self._arriving is not None and self._arrived != self._drawn:
            self._drawn = self._arrived
            self._arriving.set_content(answer_html(self._arrived))

    def _fresh(self, element: Element) -> Element:
        if self._flushing is not None:
            self._flushing.cancel()
        self._arriving = self._flushing = None
        element.clear()
        return element

    def _busy(self, busy: bool) -> None:
        self._body.props["aria-busy"] = "true" if busy else "false"
        self._body.update()

    def _understood(self, meant: str) -> None:
        self._meant.clear()
        if meant and " ".join(meant.split()) != " ".join(self._question.split()):
            with self._meant:
                plain("Searched for “")
                text("em", meant)
                plain("”")

    def _answered(self, answer: Answer) -> None:
        shown = ui.html(answer_html(answer), sanitize=False).classes("ob-answer")

        async def clicked(event: Any) -> None:
            place, number = (int(part) for part in event.args)
            if 0 <= place < len(answer.citations):
                await self._reactions.cite(answer, place)
            else:
                await self._reactions.show(answer, number)

        shown.on("click", clicked, js_handler="(event) => openbookAsk.cited(event, emit)")
        _unsupported(answer)

    def _not_found(self, answer: Answer) -> None:
        link = self._reactions.link
        with ui.element("section").classes("ob-notfound"):
            ui.icon("o_travel_explore").props("aria-hidden=true")
            text("h3", "Not in your documents", "ob-notfound__title")
            if answer.evidence:
                text(
                    "p",
                    "Nothing in them answers this. The nearest places are listed below, in case they help.",
                )
            else:
                text("p", "Nothing in them comes near this question.")
            text("p", "What to try", "ob-label")
            with ui.element("ul").classes("ob-notfound__ideas"):
                text("li", "Ask with words that the documents themselves would use.")
                text("li", "Ask about one thing at a time.")
                with ui.element("li"):
                    plain("Look for single words: ")
                    text("a", "search instead").props["href"] = link("/search", q=self._question)
                with ui.element("li"):
                    plain("See whether the document is there at all: ")
                    text("a", "all documents").props["href"] = link("/documents")

    def _facts(self, answer: Answer) -> None:
        with ui.element("div").classes("ob-facts"):
            with ui.element("div").classes("ob-facts__said"):
                if answer.status == "answered":
                    _confidence(answer.confidence)
                for fact in facts(answer):
                    text("span", fact, "ob-facts__one")
            with ui.element("div").classes("ob-facts__actions"):
                if answer.text:
                    button(
                        "Copy with sources",
                        lambda: self._reactions.copy(answer),
                        icon="o_content_copy",
                        kind="quiet",
                        small=True,
                        only_icon=True,
                    )
                button(
                    "Ask again",
                    self._again(quotes=False),
                    icon="o_refresh",
                    kind="quiet",
                    small=True,
                    only_icon=True,
                )

    def _again(self, *, quotes: bool) -> Callable[[], Awaitable[None]]:
        async def again() -> None:
            await self._reactions.again(self._question, quotes)

        return again

    def _show_evidence(self, answer: Answer, *, opened: bool) -> None:
        self._evidence.clear()
        if not answer.evidence:
            return

        async def why() -> Mapping[int, Hit]:
            return await self._reactions.why(answer)

        async def show(number: int) -> None:
            await self._reactions.show(answer, number)

        with self._evidence:
            EvidenceList(answer, show=show, why=why, opened=opened)


def facts(answer: Answer) -> list[str]:
    """Who wrote an answer, how long that took and what it used, in words."""
    writer = answer.generator
    found = ["Quoted" if writer == QUOTING else f"Written by {one_line(writer)}"] if writer else []
    if answer.status == "not_found":
        found = [f"Confidence that they answer: {answer.confidence:.2f}"]
    spent = sum(value for name, value in answer.timings_ms.items() if name in ("search", "answer"))
    if spent:
        found.append(duration(spent / 1000))
    tokens = sum(answer.usage.get(name, 0) for name in ("input_tokens", "output_tokens"))
    if tokens:
        found.append(count(tokens, "token"))
    if not answer.complete:
        found.append("Not complete")
    if answer.removed and not any("citation" in note for note in answer.notes):
        found.append(f"{count(answer.removed, 'invented citation')} removed")
    return found


def confidence_words(confidence: float) -> str:
    """A probability as people say it: "very sure"."""
    return next(words for least, words in _CONFIDENCE if confidence >= least or least == 0.0)


def remedy_for(error: Exception) -> tuple[str, str]:
    """What an error is called on the page, and what somebody can do about it."""
    for kind, title, remedy in _REMEDIES:
        if isinstance(error, kind):
            return title, remedy
    return "That could not be answered", one_line(
        str(error)
    ) or "Try again; if it happens again, see the log of openbook serve."


def _confidence(confidence: float) -> None:
    words = confidence_words(confidence)
    with ui.element("span").classes("ob-confidence") as shown:
        shown.props["title"] = "The probability that the evidence answers the question, as it was measured"
        meter = ui.element("span").classes("ob-confidence__meter").props("aria-hidden=true")
        meter.style(f"--share: {max(0.0, min(1.0, confidence)):.3f}")
        plain(f"{words.capitalize()} · {confidence:.2f}")


def _notes(answer: Answer) -> None:
    notes: Sequence[str] = answer.notes
    if notes:
        with ui.element("ul").classes("ob-notes ob-small"):
            for note in notes:
                text("li", one_line(note))


def _unsupported(answer: Answer) -> None:
    """Why claims are not supported, for those who cannot point at them."""
    doubtful = [claim for claim in answer.claims if not claim.supported]
    if not doubtful:
        return
    with ui.element("details").classes("ob-doubts"):
        with ui.element("summary"):
            ui.icon("o_report").props("aria-hidden=true")
            verb = "is" if len(doubtful) == 1 else "are"
            plain(f"{count(len(doubtful), 'claim')} {verb} not supported by the documents")
        with ui.element("ul"):
            for claim in doubtful:
                with ui.element("li"):
                    text("q", one_line(answer.text[claim.start : claim.end]))
                    plain(f" {'; '.join(map(one_line, claim.reasons))}")


def _note(icon: str, words: str) -> None:
    with ui.element("p").classes("ob-remark"):
        ui.icon(icon).props("aria-hidden=true")
        plain(words)

"""The page *Ask*: a conversation with the library, each answer beside the places that it cites.

    /                     a new conversation
    /?conversation=3      an earlier one
    /?q=…                 asks at once, where the address was not made by another site
    /?documents=3,5       asks these documents only

The page is drawn on the server; a turn is in the library as soon as it is
answered, or stopped, and the address then names the conversation, so that a
reload shows the same.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from fastapi import Request
from nicegui import background_tasks, ui

from openbook.conversation_export import FORMS, answer_markdown
from openbook.conversing import Arriving, Chat, exchange_of, shortened
from openbook.errors import OpenbookError, UsageError
from openbook.events import Event
from openbook.index.conversation_records import Turn
from openbook.serve.desk import Desk, Shelf
from openbook.serve.web.answer_view import QUOTING, Reactions, TurnView
from openbook.serve.web.ask_box import AskBox
from openbook.serve.web.conversation_list import ConversationList
from openbook.serve.web.evidence_list import hits_by_evidence
from openbook.serve.web.examples import examples_of
from openbook.serve.web.layout import Frame, frame, script, stylesheet
from openbook.serve.web.parts import button, plain, state, text
from openbook.serve.web.source_panel import SourcePanel, citation_spots, evidence_spots
from openbook.types import Answer, Exchange, Hit
from openbook.wording import count, one_line

EXPLAINED: Final = 60
"""Hits that are looked at to say why a piece of evidence was found."""

_LOG: Final = logging.getLogger("openbook.serve")
_NOT_IN_FILE_NAMES: Final = re.compile(r"[^\w -]+")


def build(shelf: Shelf) -> None:
    """Register the page."""

    @ui.page("/")
    async def page(request: Request) -> None:
        with frame(shelf, request, "ask") as framed:
            stylesheet("document.css")
            stylesheet("source.css")
            stylesheet("search.css")
            stylesheet("ask.css")
            script("ask.js")
            await AskPage(framed, request.query_params).begin(
                foreign=request.headers.get("sec-fetch-site") == "cross-site"
            )


class AskPage:
    """The page of one visitor."""

    def __init__(self, framed: Frame, asked: Mapping[str, str]) -> None:
        self._desk: Desk = framed.desk
        self._link = framed.link
        self._asked = asked
        self._client = ui.context.client
        self._chat: Chat | None = None
        self._turns: list[Turn] = []
        self._running: asyncio.Task[None] | None = None
        self._unkept: threading.Event | None = None
        text("h1", "Ask", "ob-visually-hidden")
        self._around = ui.element("div").classes("ob-ask")
        with self._around:
            with ui.element("div").classes("ob-ask__column"):
                self._head = ui.element("div").classes("ob-ask__head")
                self._thread = ui.element("div").classes("ob-thread")
                self._box = AskBox(
                    self._desk, ask=self.ask, stop=self.stop, documents=_numbers(asked.get("documents", ""))
                )
            self._panel = SourcePanel(self._desk, self._link, self._around)
        with ui.dialog() as self._talks, ui.element("div").classes("ob-dialog ob-dialog--talks") as small:
            pass
        self._list = ConversationList(
            self._desk, [framed.more, small], deleted=lambda _: ui.navigate.to(self._link("/"))
        )
        self._reactions = Reactions(
            cite=self._cite,
            show=self._show,
            again=self._again,
            copy=self._copy,
            why=self._why,
            link=self._link,
        )
        self._client.on_delete(self.stop)
        self._client.on_connect(lambda: self._client.run_javascript("openbookAsk.begun()"))

    async def begin(self, *, foreign: bool) -> None:
        """Draw the conversation that the address names, and ask what it asks."""
        wanted, question = self._asked.get("conversation", ""), self._asked.get("q", "").strip()
        if wanted:
            await self._open(wanted)
        if not self._turns and not wanted:
            await self._welcome()
        self._draw_head()
        await self._list.refresh(self._number)
        if question and foreign:
            self._box.fill(question)
        elif question:
            with self._thread:
                ui.timer(0, partial(self.ask, question), once=True)

    # -- asking ----------------------------------------------------------------

    async def ask(self, question: str, *, quotes: bool = False) -> None:
        """Ask, unless an answer is being written already."""
        if self._running is not None:
            return
        if not self._turns:
            self._thread.clear()
        with self._thread:
            view = TurnView(question, self._reactions)
        view.wait()
        self._box.busy(True)
        self._client.run_javascript(f"openbookAsk.asked({view.element.id})")
        options = self._box.options() | ({"model": "none"} if quotes else {})
        self._running = background_tasks.create(self._answer(question, view, options), name="an answer")

    def stop(self) -> None:
        """Stop the answer that is being written."""
        if self._running is not None:
            self._running.cancel()

    async def _answer(self, question: str, view: TurnView, options: Mapping[str, Any]) -> None:
        arriving = Arriving(question, generator=str(options.get("model") or QUOTING))
        try:
            chat = await self._next_chat()
            async for event in self._desk.background.stream(lambda: self._events(chat, question, options)):
                arriving.see(event)
                with self._thread:
                    view.see(event)
            self._ended(view, question, arriving.answer)
        except asyncio.CancelledError:
            if not self._client.is_deleted:
                self._ended(view, question, arriving.so_far())
        except OpenbookError as error:
            view.failed(error)
        except Exception as error:  # noqa: BLE001
            _LOG.exception("An answer on the page failed.")
            view.failed(error)
        finally:
            self._running = None
            if not self._client.is_deleted:
                self._box.busy(False)
                await self._settle()

    def _events(self, chat: Chat, question: str, options: Mapping[str, Any]) -> Iterator[Event]:
        """The events of an answer; `_unkept` is set when its turn is kept, which may be after a stop."""
        done = self._unkept = threading.Event()
        try:
            yield from self._desk.ask_stream(question, conversation=chat, **options)
        finally:
            done.set()

    def _ended(self, view: TurnView, question: str, answer: Answer | None) -> None:
        if answer is None:
            view.stopped()
            return
        self._turns.append(Turn(0, question, answer, ""))
        view.show(answer)

    async def _next_chat(self) -> Chat:
        """The conversation, as it is when the turn before is kept."""
        if self._unkept is not None:
            await self._desk.background.run_long(self._unkept.wait, 2.0)
        number = self._number
        self._chat = await self._desk.background.run(self._desk.chat, number)
        return self._chat

    async def _settle(self) -> None:
        """Name the conversation in the address and in the list, once there is one."""
        if self._unkept is not None:
            await self._desk.background.run_long(self._unkept.wait, 2.0)
        if self._number is not None:
            address = self._link("/", conversation=self._number)
            self._client.run_javascript(f"history.replaceState(history.state, '', {json.dumps(address)})")
        self._draw_head()
        await self._list.refresh(self._number)

    @property
    def _number(self) -> int | None:
        return self._chat.id if self._chat is not None else None

    # -- what is shown ---------------------------------------------------------

    async def _open(self, wanted: str) -> None:
        try:
            if not wanted.isdecimal():
                raise UsageError(f"{wanted!r} is no number of a conversation.")
            self._chat = await self._desk.background.run(self._desk.chat, int(wanted))
            self._turns = list(
                await self._desk.background.run(lambda: self._chat.turns if self._chat else ())
            )
        except UsageError:
            with self._thread:
                state(
                    "o_forum",
                    "This conversation is not here",
                    "It was deleted, or it belongs to another library. Ask below to begin a new one.",
                )
            return
        ui.page_title(f"{one_line(self._chat.name)} · {self._desk.name}")
        with self._thread:
            for turn in self._turns:
                TurnView(turn.question, self._reactions).show(turn.answer, redacted=turn.redacted)

    async def _welcome(self) -> None:
        questions, documents = await self._desk.background.run(examples_of, self._desk)
        with self._thread, ui.element("section").classes("ob-welcome"):
            if not documents:
                with state(
                    "o_library_add",
                    "This library is empty",
                    "Add some documents; then ask, and every answer shows the place it rests on.",
                ):
                    text("a", "Add documents", "ob-button ob-button--primary").props["href"] = self._link(
                        "/documents"
                    )
                return
            text("h2", "Ask your documents", "ob-welcome__title")
            promise = (
                f"Every answer comes from the {count(documents, 'document')} here, with the exact place that "
                "it rests on. Where they do not say it, you are told so."
            )
            text("p", promise, "ob-welcome__text")
            if questions:
                with ui.element("ul").classes("ob-welcome__examples").props('aria-label="Examples"'):
                    for question in questions:
                        self._example(question)

    def _example(self, question: str) -> None:
        with (
            ui.element("li"),
            ui.element("button").classes("ob-welcome__example").props("type=button") as example,
        ):
            plain(question)
            ui.icon("o_arrow_forward").props("aria-hidden=true")
        example.on("click", partial(self.ask, question))

    def _draw_head(self) -> None:
        self._head.clear()
        with self._head:
            button("Conversations", self._talks.open, icon="o_history", kind="quiet", small=True).classes(
                "ob-ask__talks"
            )
            if self._turns:
                name = self._chat.name if self._chat is not None else ""
                text("p", one_line(name), "ob-ask__name")
                with button("Export", icon="o_download", kind="quiet", small=True) as opener:
                    opener.props["aria-haspopup"] = "menu"
                    with ui.menu().props("no-parent-event anchor='bottom right' self='top right'") as menu:
                        for form, suffix in (("Markdown", ".md"), ("JSON", ".json"), ("CSV", ".csv")):
                            ui.menu_item(form, self._exporting(suffix))
                opener.on("click", menu.toggle)

    # -- what can be done with an answer ---------------------------------------

    async def _cite(self, answer: Answer, place: int) -> None:
        await self._panel.open(citation_spots(answer), place)

    async def _show(self, answer: Answer, number: int) -> None:
        spots = evidence_spots(answer)
        at = next((place for place, spot in enumerate(spots) if spot.number == number), None)
        if at is not None:
            await self._panel.open(spots, at)

    async def _again(self, question: str, quotes: bool) -> None:
        await self.ask(question, quotes=quotes)

    def _copy(self, answer: Answer) -> None:
        copied = json.dumps(answer_markdown(answer))
        self._client.run_javascript(f"openbookAsk.copy({copied}, 'Answer copied')")

    async def _why(self, answer: Answer) -> Mapping[int, Hit]:
        """What a search for the same finds now, and why; a follow-up is searched with what came before."""
        before: list[Exchange] = []
        for turn in self._turns:
            if turn.answer is answer:
                break
            before.append(exchange_of(turn))
        quoted = answer.generator == QUOTING
        found = await self._desk.background.run(
            self._desk.search,
            answer.question if quoted else answer.meant or answer.question,
            k=EXPLAINED,
            where=self._box.where,
            explain=True,
            noted=False,
            history=shortened(before) if quoted else (),
        )
        by_document: dict[int, list[Hit]] = {}
        for hit in found:
            by_document.setdefault(hit.document_id, []).append(hit)
        return hits_by_evidence(answer, by_document)

    def _exporting(self, suffix: str) -> Callable[[], Awaitable[None]]:
        async def export() -> None:
            if self._chat is None:
                return
            chat = (
                await self._desk.background.run(self._desk.chat, self._number) if self._number else self._chat
            )
            written = await self._desk.background.run(chat.export, FORMS[suffix])
            name = " ".join(_NOT_IN_FILE_NAMES.sub(" ", chat.name).split())[:60] or "conversation"
            ui.download.content(written.encode("utf-8", "replace"), f"{name}{suffix}")

        return export


def _numbers(written: str) -> list[int]:
    """The numbers of "3,5,9"; what is none is left out."""
    return [int(part) for part in written.split(",") if part.strip().isdecimal()]

"""The five tools that an assistant gets: search, ask, read, list_documents, status. All of them only read.

A tool takes checked arguments and returns text for a model and a value in the
JSON form that every surface uses. Errors are raised here and worded for the
model by who called.

Refused: tools that add or remove, however handy: whatever text an assistant
has read could make it call them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from openbook.answer.agent_tools import Place
from openbook.errors import UsageError
from openbook.events import (
    ErrorEvent,
    Event,
    PromptEvent,
    RetrievalEvent,
    TokenEvent,
    ToolCallEvent,
    VerificationEvent,
)
from openbook.index.records import DocumentRecord
from openbook.json_form import json_form
from openbook.researching import mark_of
from openbook.serve.desk import Desk, Shelf
from openbook.serve.mcp_schemas import (
    Arguments,
    AskArguments,
    DocumentList,
    LibraryState,
    ListArguments,
    ReadArguments,
    Reading,
    SearchArguments,
    States,
    StatusArguments,
    output_schema,
    parsed,
    shown_form,
)
from openbook.serve.mcp_texts import (
    text_of_answer,
    text_of_hits,
    text_of_list,
    text_of_reading,
    text_of_states,
)
from openbook.types import Answer, Document, Hits

MOST_PROBLEMS: Final = 50
"""Files with problems that `status` names for each library."""
TOLD_EVERY: Final = 200
"""Characters of an answer between two notices of progress."""

Notice: TypeAlias = Callable[[float, str], Awaitable[None]]
"""Hears how far a long call is: a number that only grows, and what is being done."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a tool returns: text for a model, and the same as a JSON object."""

    text: str
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolKind:
    """A tool as it is announced. `gives` is the JSON Schema of its value."""

    name: str
    title: str
    description: str
    takes: type[Arguments]
    gives: Mapping[str, Any]


_LIBRARY: Final = "The library that was searched."
TOOLS: Final = (
    ToolKind(
        "search",
        "Search the documents",
        "Find places in the user's own documents, by words and by meaning, and return their text, best "
        "first. Use it whenever a question may be answered by these documents; ask for one thing at a time, "
        "in the words the documents may use, and search again with other words if little is found.",
        SearchArguments,
        output_schema(Hits, library=_LIBRARY),
    ),
    ToolKind(
        "ask",
        "Ask the documents",
        "Answer one question from the user's own documents. The answer is checked: each claim cites a "
        "source [n], claims that their source does not support are named, and where the documents do not "
        "answer, the status is not_found. Prefer it to `search` for a question with one answer; it may take "
        "a minute where a language model writes.",
        AskArguments,
        output_schema(Answer, library=_LIBRARY),
    ),
    ToolKind(
        "read",
        "Read a document",
        "Read the text of one document, by its id or path: from a character on, a page, or the section of a "
        "heading. Long stretches come in parts: call again with start=next. Use it to see what stands around "
        "a place that `search` found.",
        ReadArguments,
        output_schema(Reading),
    ),
    ToolKind(
        "list_documents",
        "List the documents",
        "List the documents of a library by path, with ids, titles, sizes and dates; narrow it with "
        "conditions. It does not look into texts: use `search` for that.",
        ListArguments,
        output_schema(DocumentList),
    ),
    ToolKind(
        "status",
        "Status of the libraries",
        "Say which libraries there are, how many documents each holds, how completely they can be searched, "
        "and which files could not be indexed and why.",
        StatusArguments,
        output_schema(States),
    ),
)


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools over the libraries of a shelf."""

    shelf: Shelf

    async def call(self, name: str, given: Mapping[str, Any] | None, notice: Notice) -> Told:
        """Run a tool. Raises OpenbookError for wrong arguments and what goes wrong; KeyError if unknown."""
        calls: Mapping[str, Callable[[], Awaitable[tuple[Any, str]]]] = {
            "search": lambda: self._search(parsed(SearchArguments, name, given)),
            "ask": lambda: self._ask(parsed(AskArguments, name, given), notice),
            "read": lambda: self._read(parsed(ReadArguments, name, given)),
            "list_documents": lambda: self._list(parsed(ListArguments, name, given)),
            "status": lambda: self._status(parsed(StatusArguments, name, given)),
        }
        value, text = await calls[name]()
        return Told(text, shown_form(json_form(value)))

    async def _search(self, wanted: SearchArguments) -> tuple[Any, str]:
        desk = self.shelf.desk(wanted.library)
        hits = await desk.background.run(desk.search, wanted.question, k=wanted.k, where=wanted.where)
        return {"library": desk.name, **json_form(hits)}, text_of_hits(hits, desk.name)

    async def _ask(self, wanted: AskArguments, notice: Notice) -> tuple[Any, str]:
        desk = self.shelf.desk(wanted.library)
        answer: Answer | None = None
        progress = _Progress(notice)
        async for event in desk.background.stream(
            lambda: desk.ask_stream(wanted.question, where=wanted.where, model=wanted.model)
        ):
            await progress.see(event)
            if isinstance(event, VerificationEvent):
                answer = event.answer
        if answer is None:
            raise UsageError("The answer was stopped before it was complete. Ask again.")
        return {"library": desk.name, **json_form(answer)}, text_of_answer(answer, desk.name)

    async def _read(self, wanted: ReadArguments) -> tuple[Any, str]:
        desk = self.shelf.desk(wanted.library)
        reading = await desk.background.run(read_part, desk, wanted)
        return reading, text_of_reading(reading)

    async def _list(self, wanted: ListArguments) -> tuple[Any, str]:
        desk = self.shelf.desk(wanted.library)
        listing = await desk.background.run(_listing, desk, wanted)
        return listing, text_of_list(listing)

    async def _status(self, wanted: StatusArguments) -> tuple[Any, str]:
        desks = [self.shelf.desk(wanted.library)] if wanted.library else list(self.shelf)
        states = tuple([await desk.background.run(_state, desk) for desk in desks])
        return States(states), text_of_states(states)


class _Progress:
    """Turns the events of an answer into notices whose number only grows."""

    def __init__(self, notice: Notice) -> None:
        self._notice = notice
        self._number = 0
        self._written = 0

    async def see(self, event: Event) -> None:
        match event:
            case RetrievalEvent():
                await self._tell(f"Found {len(event.evidence)} places that may answer")
            case PromptEvent():
                await self._tell(f"Asking the language model ({event.tokens} tokens)")
            case TokenEvent():
                before = self._written // TOLD_EVERY
                self._written += len(event.text)
                if self._written // TOLD_EVERY > before:
                    await self._tell(f"Wrote {self._written} characters")
            case ToolCallEvent():
                await self._tell(f"Step {event.step.number}: {event.step.tool}")
            case VerificationEvent():
                await self._tell("Checked the answer")
            case ErrorEvent() if event.retry_seconds is not None:
                await self._tell(f"The model did not answer; trying again in {event.retry_seconds:.0f} s")

    async def _tell(self, message: str) -> None:
        self._number += 1
        await self._notice(float(self._number), message)


def record_of(desk: Desk, wanted: str | int) -> DocumentRecord:
    """The document meant by an id, a path, or a file's name alone. Raises UsageError if it is not one."""
    written = str(wanted).strip()
    if written.isdecimal() and len(written) < 19:
        for record in desk.documents([f"document={written}"]):
            return record
    escaped = written.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")
    found = list(desk.documents([f"path={escaped}"])) if written else []
    exact = [record for record in found if record.path == written]
    if len(exact or found) != 1:
        said = f"{len(found)} documents are" if found else "No document is"
        raise UsageError(
            f"{said} named {wanted!r} in the library {desk.name!r}. Give the id or the whole path; "
            "list_documents shows both."
        )
    return (exact or found)[0]


def read_part(desk: Desk, wanted: ReadArguments) -> Reading:
    """The stretch of a document that is asked for. Raises UsageError if it is not there."""
    record = record_of(desk, wanted.document)
    document = desk.document(record.id)
    low, limit = _span(document, wanted)
    high = _broken(document.text, low, min(low + wanted.length, limit), limit)
    return Reading(
        library=desk.name,
        document_id=record.id,
        path=record.path,
        title=record.title,
        media_type=record.media_type,
        start=low,
        end=high,
        characters=len(document.text),
        text=document.text[low:high],
        next=high if high < limit else None,
        heading=wanted.heading,
        page=wanted.page,
    )


def _span(document: Document, wanted: ReadArguments) -> tuple[int, int]:
    """From where to where is asked for: a page, a section, or characters within them or the whole."""
    low, high = 0, len(document.text)
    mark = mark_of(document, Place(document.path, None, wanted.heading, wanted.page))
    if mark is not None:
        low, high = mark.start, mark.end
    if mark is not None and mark.kind == "heading":
        behind = (m for m in document.marks if m.kind == "heading" and m.start > mark.start)
        high = next((m.start for m in behind if m.level <= mark.level), len(document.text))
    start = low if wanted.start is None else wanted.start
    end = high if wanted.end is None else min(wanted.end, high)
    if not low <= start <= end:
        raise UsageError(
            f"Characters {start} to {end} are not in what was asked for of {document.path!r}; "
            f"expected a start of {low} to {high}, and an end behind it."
        )
    return start, end


def _broken(text: str, low: int, high: int, limit: int) -> int:
    """Where to stop: behind a line, else behind a word, if one of them ends in the last fifth."""
    if high >= limit:
        return limit
    least = low + (high - low) * 4 // 5
    for separator in ("\n", " "):
        found = text.rfind(separator, least, high)
        if found >= 0:
            return found + 1
    return high


def _listing(desk: Desk, wanted: ListArguments) -> DocumentList:
    found: list[DocumentRecord] = []
    total = 0
    for total, record in enumerate(desk.documents(wanted.where), 1):
        if wanted.start < total <= wanted.start + wanted.limit:
            found.append(record)
    last = wanted.start + len(found)
    return DocumentList(
        desk.name, tuple(found), total, wanted.start, last if found and last < total else None
    )


def _state(desk: Desk) -> LibraryState:
    status = desk.library.status()
    more = max(len(status.problems) - MOST_PROBLEMS, 0)
    hidden = len(desk.removals.pending_documents())
    status = replace(
        status, problems=status.problems[:MOST_PROBLEMS], documents=max(status.documents - hidden, 0)
    )
    return LibraryState(desk.name, status, more)

"""A desk: one library as a server offers it, with its jobs and with removals that can still be undone.

Every surface calls these methods and not the library's own, so that what
somebody has just removed is gone everywhere at once, and every question counts
among the recent ones. A shelf is all desks of a server, the first of which is
meant where a request names none.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from openbook.answering import final_answer
from openbook.conversing import Chat
from openbook.errors import OpenbookError, UsageError
from openbook.events import Event, VerificationEvent
from openbook.index.records import DocumentRecord
from openbook.library import Library
from openbook.serve.allowance import check_model, check_schema
from openbook.serve.background import Background
from openbook.serve.folders import Folders
from openbook.serve.jobs import Jobs
from openbook.serve.maps import Maps
from openbook.serve.options import ServeOptions
from openbook.serve.removals import Removals
from openbook.serve.uploads import Uploads
from openbook.serve.view.pages import PageDrawer
from openbook.types import Answer, Document, Hits

RECENT_QUESTIONS: Final = 50


@dataclass(frozen=True, slots=True)
class RecentQuestion:
    """A question that was asked of a desk, how it ended and how long that took. Kept in memory only."""

    kind: Literal["search", "ask"]
    question: str
    at: str
    milliseconds: float
    outcome: str


class Desk:
    """One library as a server offers it. Thread-safe."""

    def __init__(self, name: str, library: Library, options: ServeOptions, *, named: bool = False) -> None:
        """`named` says that addresses have to name this desk, since it is not the shelf's first."""
        self.name = name
        self.named = named
        self.library = library
        self.options = options
        self.background = Background()
        self.jobs = Jobs(library, name)
        self.uploads = Uploads(library.path / "uploads", options.upload_bytes)
        self.removals = Removals(library, self.jobs, self.uploads, options.undo_seconds)
        self.folders = Folders(options.folders, library)
        self.maps = Maps(library, name, self.removals.pending_documents)
        reading = library.settings
        self.pages = PageDrawer(
            max_bytes=reading.max_file_bytes, seconds=reading.read_seconds, memory=reading.read_memory
        )
        self.ready = False
        self.trouble = ""
        self.listeners: list[Callable[[RecentQuestion], None]] = []
        self._recent: deque[RecentQuestion] = deque(maxlen=RECENT_QUESTIONS)

    async def warm(self) -> None:
        """Load what the first question would wait for; `ready`, or else `trouble`, says how that ended."""
        try:
            await self.background.run_long(self.library.search, "warm", k=1)
        except OpenbookError as error:
            self.trouble = str(error)
        else:
            self.ready = True

    def search(self, question: str, *, where: Sequence[str] = (), noted: bool = True, **options: Any) -> Hits:
        """`Library.search`, without what is being removed. `noted` says whether it counts as recent."""
        started = time.perf_counter()
        hits = self.library.search(question, where=self.conditions(where), **options)
        if noted:
            self._note("search", question, started, f"{len(hits)} hits")
        return hits

    def ask(self, question: str, **options: Any) -> Answer:
        """`Library.ask`, without what is being removed."""
        return final_answer(self.ask_stream(question, **options))

    def ask_stream(
        self,
        question: str,
        *,
        conversation: int | str | Chat | None = None,
        keep: bool = False,
        where: Sequence[str] = (),
        **options: Any,
    ) -> Iterator[Event]:
        """`Library.ask_stream`, or that of a conversation: an earlier one, or with `keep` a new one.

        A `Chat` is gone on with as it is, which tells its number to whoever began it. Raises
        UsageError for a model or a schema that callers may not choose.
        """
        started = time.perf_counter()
        self.check_model(options.get("model"))
        check_schema(options.get("schema"))
        where = self.conditions(where)
        if conversation is None and not keep:
            events = self.library.ask_stream(question, where=where, **options)
        else:
            chat = conversation if isinstance(conversation, Chat) else self.chat(conversation)
            events = chat.ask_stream(question, where=where, **options)
        for event in events:
            if isinstance(event, VerificationEvent):
                self._note("ask", question, started, event.answer.status)
            yield event

    def chat(self, conversation: int | str | None = None) -> Chat:
        """`Library.chat`, without what is being removed."""
        return self.library.chat(conversation, hidden=self.removals.pending_documents)

    def documents(self, where: Sequence[str] = ()) -> Iterator[DocumentRecord]:
        """`Library.documents`, without what is being removed."""
        pending = self.removals.pending_documents()
        return (record for record in self.library.documents(where) if record.id not in pending)

    def document(self, document_id: int) -> Document:
        """`Library.document`. Raises UsageError for an unknown id, or for one that is being removed."""
        if document_id in self.removals.pending_documents():
            raise UsageError(f"Document {document_id} is being removed.")
        return self.library.document(document_id)

    def check_model(self, name: object) -> None:
        """Raise UsageError for a language model that callers may not choose."""
        check_model(name, self.library.settings.model, self.options.models)

    def conditions(self, where: Sequence[str] = ()) -> tuple[str, ...]:
        """These conditions, and those that leave out what is being removed."""
        pending = ",".join(map(str, sorted(self.removals.pending_documents())))
        return (*where, f"document!={pending}") if pending else tuple(where)

    def recent(self) -> list[RecentQuestion]:
        """The last questions, newest first."""
        return list(reversed(self._recent))

    async def close(self) -> None:
        """Carry out pending removals, end or park jobs, and close the library."""
        await self.removals.close()
        await self.jobs.close(self.options.grace_seconds)
        await asyncio.to_thread(self.maps.close)
        await asyncio.to_thread(self.pages.close)
        self.background.close()
        self.library.close()

    def _note(self, kind: Literal["search", "ask"], question: str, started: float, outcome: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        spent = (time.perf_counter() - started) * 1000
        asked = RecentQuestion(kind, question, now, round(spent, 1), outcome)
        self._recent.append(asked)
        for listener in self.listeners:
            listener(asked)


class Shelf:
    """The desks of one server, by name."""

    def __init__(self, desks: Mapping[str, Desk]) -> None:
        if not desks:
            raise UsageError("A server needs at least one library.")
        self._desks = dict(desks)

    @classmethod
    def open(cls, libraries: Sequence[Library], options: ServeOptions) -> Shelf:
        """A desk for each of these libraries, named like its folder (see `name_of`).

        Raises UsageError for a library that is there twice: what one desk
        removes would not be hidden by the other.
        """
        desks: dict[str, Desk] = {}
        places: set[Path] = set()
        for library in libraries:
            place = library.path.resolve()
            if place in places:
                raise UsageError(f"The library {str(library.path)!r} is named twice. Name it once.")
            places.add(place)
            name = stem = name_of(library.path)
            number = 2
            while name in desks:
                name, number = f"{stem}-{number}", number + 1
            desks[name] = Desk(name, library, options, named=bool(desks))
        return cls(desks)

    def desk(self, name: str | None = None) -> Desk:
        """The desk of this name, or the first. Raises UsageError for an unknown name."""
        if not name:
            return next(iter(self._desks.values()))
        if name not in self._desks:
            known = ", ".join(map(repr, self._desks))
            raise UsageError(f"This server has no library {name!r}. It has: {known}.")
        return self._desks[name]

    def __iter__(self) -> Iterator[Desk]:
        return iter(self._desks.values())

    async def warm(self) -> None:
        """Load what the first questions would wait for, one library after the other."""
        for desk in self:
            await desk.warm()

    async def close(self) -> None:
        """Close all desks at the same time, so that each has the whole grace time."""
        await asyncio.gather(*(desk.close() for desk in self))


def name_of(folder: Path) -> str:
    """A library's name: its folder's without `.openbook`, or that of the folder around `.openbook/`."""
    path = folder.resolve()
    return path.stem if not path.name.startswith(".") else path.parent.name or "library"

"""Removals that can be undone for a few seconds: hidden at once, carried out when the time is over.

A document stays hidden until the job that removes it has ended, so that it
never flickers back; if the job fails, the document is there again and the job
says why. Of an uploaded document the original is deleted too, unless it was
uploaded anew meanwhile, which is a new document; the file of a synchronised
folder is its owner's and is left alone.

Refused: removing at once and putting it back on request (nothing of a removed
document is kept that could be put back), and a timer of an event loop (a
server without one, such as MCP over standard streams, removes as well).
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from openbook.errors import UsageError
from openbook.serve.jobs import Job, Jobs
from openbook.serve.uploads import Uploads

if TYPE_CHECKING:
    from openbook.index.records import DocumentRecord, Source
    from openbook.library import Library

_REMEMBERED: Final = 200
"""Removals of which it is still known that they were carried out."""

_LOOKED_UP: Final = 20
"""Documents that are looked up one by one; for more, all of them are listed."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Documents that are about to be removed. `until` is when (UTC, ISO 8601).

    `note` says in words what becomes of their files. `returns` says whether
    the next run over their folder would bring any of them back, because its
    file still lies there. `originals` are the uploads that are deleted too, as
    paths in the folder of uploads.
    """

    id: str
    documents: tuple[int, ...]
    paths: tuple[str, ...]
    until: str
    note: str = ""
    returns: bool = False
    originals: tuple[str, ...] = ()


class Removals:
    """The pending removals of one library. Thread-safe."""

    def __init__(self, library: Library, jobs: Jobs, uploads: Uploads, undo_seconds: float) -> None:
        self._library = library
        self._jobs = jobs
        self._uploads = uploads
        self._undo_seconds = undo_seconds
        self._lock = threading.Lock()
        self._pending: dict[str, Removal] = {}
        self._begun: dict[str, Removal] = {}
        self._timers: dict[str, threading.Timer] = {}
        self._marks: dict[str, dict[str, tuple[int, ...]]] = {}
        self._over: deque[str] = deque(maxlen=_REMEMBERED)

    def remove(self, document_ids: Sequence[int]) -> Removal:
        """Hide these documents now, and remove them when the time is over.

        Raises UsageError for an id that is unknown or being removed already,
        and for none at all; nothing is hidden then.
        """
        numbers = tuple(dict.fromkeys(document_ids))
        if not numbers:
            raise UsageError("No document to remove was named. Name at least one id.")
        records = self._records(numbers)
        sources = {source.id: source for source in self._library.sources()}
        until = datetime.now(UTC) + timedelta(seconds=self._undo_seconds)
        removal = self._described(records, sources, until.strftime("%Y-%m-%dT%H:%M:%SZ"))
        timer = threading.Timer(self._undo_seconds, self._carry_out, (removal.id,))
        timer.daemon = True
        marks = {path: self._uploads.mark(path) for path in removal.originals}
        with self._lock:
            for number in numbers:
                if number in self._hidden():
                    raise UsageError(f"Document {number} is being removed already.")
            self._pending[removal.id] = removal
            self._timers[removal.id] = timer
            self._marks[removal.id] = marks
        timer.start()
        return removal

    def undo(self, removal_id: str) -> Removal:
        """Bring back what a removal hid. Raises UsageError if it is carried out already, or unknown."""
        with self._lock:
            removal = self._pending.pop(removal_id, None)
            if removal is not None:
                self._timers.pop(removal_id).cancel()
                self._marks.pop(removal_id)
                return removal
            if removal_id in self._begun or removal_id in self._over:
                raise UsageError(
                    f"The removal {removal_id!r} can no longer be undone: its {self._undo_seconds:g} seconds "
                    "are over. Add the files again if they still exist."
                )
        raise UsageError(f"There is no removal {removal_id!r} to undo; it may have been undone already.")

    def pending(self) -> list[Removal]:
        """What can still be undone, oldest first."""
        with self._lock:
            return list(self._pending.values())

    def pending_documents(self) -> frozenset[int]:
        """The ids of all documents that are about to be removed, or being removed just now."""
        with self._lock:
            return self._hidden()

    async def close(self) -> None:
        """Carry out at once what is pending: the jobs for it are queued when this returns."""
        for removal in self.pending():
            self._carry_out(removal.id)

    def _hidden(self) -> frozenset[int]:
        removals = (*self._pending.values(), *self._begun.values())
        return frozenset(number for removal in removals for number in removal.documents)

    def _records(self, numbers: Sequence[int]) -> list[DocumentRecord]:
        if len(numbers) <= _LOOKED_UP:
            found = {n: record for n in numbers for record in self._library.documents([f"document={n}"])}
        else:
            found = {record.id: record for record in self._library.documents()}
        for number in numbers:
            if number not in found:
                raise UsageError(f"This library has no document {number!r}. Nothing was removed.")
        return [found[number] for number in numbers]

    def _described(
        self, records: Sequence[DocumentRecord], sources: dict[int, Source], until: str
    ) -> Removal:
        owned = [record for record in records if self._uploads.holds(sources[record.source_id].root)]
        mine = {record.id for record in owned}
        others = [record for record in records if record.id not in mine]
        staying = [record for record in others if _is_there(sources[record.source_id], record.path)]
        notes = []
        if owned:
            notes.append("The uploaded originals are deleted too.")
        if staying:
            roots = sorted({sources[record.source_id].root for record in staying})
            notes.append(
                f"Files in {', '.join(map(repr, roots))} are left alone, and the next synchronisation brings "
                "them back. Delete or move them to keep them out."
            )
        return Removal(
            id=secrets.token_hex(8),
            documents=tuple(record.id for record in records),
            paths=tuple(record.path for record in records),
            until=until,
            note=" ".join(notes),
            returns=bool(staying),
            originals=tuple(record.path for record in owned),
        )

    def _carry_out(self, removal_id: str) -> None:
        """Queue the job that removes; does nothing for what was undone or begun meanwhile."""
        with self._lock:
            removal = self._pending.pop(removal_id, None)
            if removal is None:
                return
            self._begun[removal.id] = removal
            self._timers.pop(removal_id).cancel()
        count = len(removal.documents)
        title = f"Remove {removal.paths[0]}" if count == 1 else f"Remove {count:,} documents"
        try:
            self._jobs.submit(
                "remove", title, documents=removal.documents, ended=partial(self._ended, removal)
            )
        except UsageError:
            self._show_again(removal)
            raise

    def _ended(self, removal: Removal, job: Job) -> None:
        """Runs before others see that the job has ended: what it removed is in no index any more."""
        try:
            if job.state == "done":
                self._delete_originals(self._marks[removal.id])
        finally:
            self._show_again(removal)

    def _delete_originals(self, marks: Mapping[str, tuple[int, ...]]) -> None:
        """Delete the files that were there when they were removed; those that came since are read."""
        anew = [path for path, mark in marks.items() if self._uploads.mark(path) not in ((), mark)]
        for path in marks.keys() - anew:
            self._uploads.delete(path)
        if anew:
            with suppress(UsageError):  # the server stops: the next upload has them read
                self._jobs.submit("upload", f"Reading {anew[0]}, uploaded anew", [self._uploads.folder])

    def _show_again(self, removal: Removal) -> None:
        with self._lock:
            self._begun.pop(removal.id, None)
            self._marks.pop(removal.id, None)
            self._over.append(removal.id)


def _is_there(source: Source, path: str) -> bool:
    """Whether the file of a document still lies where the next run would find it."""
    if source.kind == "memory":
        return False
    root = Path(source.root)
    return (root if source.kind == "file" else root / path).exists()

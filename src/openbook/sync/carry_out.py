"""Carries out a plan: moves, removals, and the files to read, in groups of one commit each.

Files arrive from the reading pool in any order. An interrupted run has done a
prefix of the work, each document with its outcome; the next run does the rest.
Refused: stopping at the first file that fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from openbook.errors import FileTooLarge, UnsupportedFile
from openbook.index.records import FileRecord, Source
from openbook.read.metadata import title_from_path
from openbook.read.pool import FileRead
from openbook.types import Chunk, Document, Outcome, OutcomeKind, Progress

if TYPE_CHECKING:
    from openbook.index.ledger import Ledger
    from openbook.sync.plan import Plan

GROUP_SECONDS: Final = 0.5
"""A group of documents is committed after this time: a kill repeats no more work than that."""

Chunker = Callable[[Document], list[Chunk]]
ReadFiles = Callable[[Iterable[tuple[str, Path]]], Iterator["FileRead"]]
Watcher = Callable[[Progress], None]


class Synchroniser:
    """Carries out a plan for one source and keeps count of what came of it."""

    def __init__(
        self,
        ledger: Ledger,
        source: Source,
        *,
        chunk: Chunker,
        read: ReadFiles,
        committed: Callable[[], None],
        progress: Watcher,
    ) -> None:
        """`committed` is called after each group of documents has entered the ledger."""
        self._ledger = ledger
        self._source = source
        self._chunk = chunk
        self._read = read
        self._committed = committed
        self._progress = progress
        self._known: Mapping[str, FileRecord] = {}
        self._renamed: set[str] = set()
        self.outcomes: list[Outcome] = []
        self.chunks = 0

    def carry_out(self, plan: Plan, records: Mapping[str, FileRecord]) -> None:
        """Do what the plan says. Raises only what is about the library, never about one file."""
        self._known = {**records, **{item.path: record for record, item in plan.moved}}
        now = timestamp()
        self._move(plan, now)
        self._remove(plan, now)
        self._note(plan, now)
        self._store(plan, now)

    def _move(self, plan: Plan, now: str) -> None:
        with self._ledger.transaction():
            for record, item in plan.moved:
                document_id = record.document_id
                if document_id is None:
                    continue
                moved = replace(
                    record,
                    path=item.path,
                    mtime_ns=item.mtime_ns,
                    outcome="moved",
                    reason=f"from {record.path}",
                    checked_at=now,
                )
                self._ledger.move_document(document_id, item.path, moved)
                self.outcomes.append(Outcome(item.path, "moved", moved.reason, document_id))
                # A title made from the old name would stay in what is embedded: such a file is read again.
                if self._ledger.document(document_id).title == title_from_path(record.path):
                    self._renamed.add(item.path)
                    plan.read.append(item)

    def _remove(self, plan: Plan, now: str) -> None:
        gone = [
            replace(record, outcome="removed", document_id=None, reason="", checked_at=now)
            for record in plan.removed
        ]
        documents = [r.document_id for r in plan.removed if r.document_id is not None]
        earlier = [r.path for r in self._known.values() if r.outcome == "removed"]
        with self._ledger.transaction():
            self._ledger.forget_files(self._source.id, earlier)
            self._ledger.remove_documents(documents, forget_vectors=False)
            self._ledger.record_files(self._source.id, gone)
        self.outcomes.extend(Outcome(record.path, "removed") for record in gone)

    def _note(self, plan: Plan, now: str) -> None:
        """Record files that need no reading: unchanged ones and those that cannot be read."""
        kept: list[str] = []
        for record in plan.unchanged:
            if record.document_id is None:
                self.outcomes.append(Outcome(record.path, record.outcome, record.reason))
            else:
                self.outcomes.append(Outcome(record.path, "unchanged", "", record.document_id))
                kept.append(record.path)
        with self._ledger.transaction():
            self._ledger.touch_files(self._source.id, kept, now)
            for item, kind in plan.problems:
                result = FileRead(item.path, None, b"", item.size, item.mtime_ns, None)
                known = self._document_of(item.path)
                if kind == "failed":
                    self.outcomes.append(self._failed(result, item.problem, known, now))
                else:
                    self.outcomes.append(self._without_document(result, kind, item.problem, known, now))

    def _store(self, plan: Plan, now: str) -> None:
        """Read the files that need it and enter them into the ledger, in groups."""
        items = {item.path: item for item in plan.read}
        total, done, started = len(plan.read), 0, time.monotonic()
        group: list[FileRead] = []
        deadline = started + GROUP_SECONDS
        for result in self._read((item.path, item.file) for item in plan.read):
            done += 1
            if result.error is not None:
                # What was seen of the file, so that the next run knows it again without opening it.
                item = items[result.path]
                result = replace(result, size=item.size, mtime_ns=item.mtime_ns)
            group.append(result)
            elapsed = time.monotonic() - started
            eta = elapsed / done * (total - done) if elapsed > 1 else None
            self._progress(Progress("reading", done, total, result.path, eta))
            if time.monotonic() >= deadline:
                self._commit(group, now)
                group = []
                deadline = time.monotonic() + GROUP_SECONDS
        self._commit(group, now)

    def _commit(self, group: Sequence[FileRead], now: str) -> None:
        if not group:
            return
        outcomes = []
        with self._ledger.transaction():
            for result in group:
                outcomes.append(self._enter(result, now))
        # A renamed file that was read again has its outcome already.
        self.outcomes.extend(o for o in outcomes if o.path not in self._renamed)
        self._committed()

    def _enter(self, result: FileRead, now: str) -> Outcome:
        """Write one file's result to the ledger (inside a transaction)."""
        before = self._known.get(result.path)
        known = self._document_of(result.path)
        renamed = result.path in self._renamed
        if isinstance(result.error, UnsupportedFile | FileTooLarge):
            return self._without_document(result, "skipped", str(result.error), known, now)
        if result.error is not None:
            return self._failed(result, str(result.error), known, now)
        if before is not None and known and before.content_hash == result.content_hash and not renamed:
            seen = replace(before, mtime_ns=result.mtime_ns, outcome="unchanged", reason="", checked_at=now)
            self._ledger.record_files(self._source.id, [seen])
            return Outcome(result.path, "unchanged", "", known)
        document = result.document
        chunks = self._chunk(document) if document is not None else []
        if document is None or not chunks:
            return self._without_document(result, "empty", "it holds no text", known, now)
        kind: OutcomeKind = "added" if known is None else "moved" if renamed else "updated"
        reason = f"from {before.path}" if renamed and before is not None else ""
        record = self._record(
            result.path, result.size, result.mtime_ns, result.content_hash, kind, reason, now
        )
        document_id = self._ledger.put_document(self._source.id, document, chunks, record)
        self.chunks += len(chunks)
        return Outcome(result.path, kind, reason, document_id)

    def _document_of(self, path: str) -> int | None:
        """The document that this path has in the ledger so far."""
        before = self._known.get(path)
        return before.document_id if before is not None and before.outcome != "removed" else None

    def _failed(self, result: FileRead, reason: str, known: int | None, now: str) -> Outcome:
        """A file that should be readable and is not. The version read before, if any, is kept."""
        if known is not None:
            reason += " The version read before stays searchable."
        kept = self._known[result.path].content_hash if known is not None else b""
        record = self._record(result.path, result.size, result.mtime_ns, kept, "failed", reason, now)
        self._ledger.record_files(self._source.id, [replace(record, document_id=known)])
        return Outcome(result.path, "failed", reason, known)

    def _without_document(
        self, result: FileRead, kind: OutcomeKind, reason: str, known: int | None, now: str
    ) -> Outcome:
        if known is not None:
            self._ledger.remove_documents([known], forget_vectors=False)
        record = self._record(
            result.path, result.size, result.mtime_ns, result.content_hash, kind, reason, now
        )
        self._ledger.record_files(self._source.id, [record])
        return Outcome(result.path, kind, reason)

    def _record(
        self, path: str, size: int, mtime_ns: int, digest: bytes, kind: OutcomeKind, reason: str, now: str
    ) -> FileRecord:
        return FileRecord(
            path=path,
            source_id=self._source.id,
            size=size,
            mtime_ns=mtime_ns,
            content_hash=digest,
            outcome=kind,
            reason=reason,
            checked_at=now,
        )


def timestamp() -> str:
    """The present moment in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

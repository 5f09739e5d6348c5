"""What a library holds and what it could not take in, as one list of files: the page's table, the API's list.

A file that failed, was skipped or holds no text stands beside the documents,
with the reason and with what a person can do about it.

Refused: two lists, one of documents and one of problems. Who looks for a file
does not know in which of them it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from openbook.types import OutcomeKind

if TYPE_CHECKING:
    from openbook.index.records import DocumentRecord, FileRecord
    from openbook.serve.desk import Desk

PROBLEMS: Final[tuple[OutcomeKind, ...]] = ("failed", "skipped", "empty")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as a library knows it. `document_id` is None where it has no document.

    `outcome` is that of the last run, `reason` says why for a problem and
    `advice` what can be done. `bytes` is the file's size (0 for what came from
    no file), `characters` and `chunks` count the document's text. Times are
    UTC, ISO 8601; "" where unknown. `uploaded` says that the original lies
    with the library.
    """

    document_id: int | None
    path: str
    source: str
    outcome: OutcomeKind
    title: str = ""
    reason: str = ""
    advice: str = ""
    media_type: str = ""
    language: str = ""
    bytes: int = 0
    characters: int = 0
    chunks: int = 0
    added_at: str = ""
    modified_at: str = ""
    checked_at: str = ""
    uploaded: bool = False

    @property
    def problem(self) -> bool:
        """Whether the file could not be taken in."""
        return self.outcome in PROBLEMS


def entries(desk: Desk, where: Sequence[str] = ()) -> list[Entry]:
    """All files of a library by path, without what is being removed; with `where` the documents that fit.

    Raises UsageError for a wrong condition.
    """
    sources = {source.id: source for source in desk.library.sources()}
    files: dict[int, FileRecord] = {}
    problems: list[FileRecord] = []
    for record in desk.library.files():
        if record.document_id is not None:
            files[record.document_id] = record
        elif record.outcome in PROBLEMS:
            problems.append(record)
    uploaded = {number for number, source in sources.items() if desk.uploads.holds(source.root)}
    found = [
        _document(record, files.get(record.id), sources[record.source_id].root, record.source_id in uploaded)
        for record in desk.documents(where)
        if record.source_id in sources
    ]
    if not where:
        found += [
            _problem(record, sources[record.source_id].root, record.source_id in uploaded)
            for record in problems
        ]
    return sorted(found, key=lambda entry: entry.path.casefold())


def filtered(listed: Sequence[Entry], *, words: str = "", outcomes: Sequence[str] = ()) -> Iterator[Entry]:
    """The entries whose path or title holds all `words`, with one of these outcomes if any are named."""
    wanted = words.casefold().split()
    for entry in listed:
        if outcomes and entry.outcome not in outcomes:
            continue
        name = f"{entry.path} {entry.title}".casefold()
        if all(word in name for word in wanted):
            yield entry


def _document(record: DocumentRecord, file: FileRecord | None, source: str, uploaded: bool) -> Entry:
    return Entry(
        document_id=record.id,
        path=record.path,
        source=source,
        outcome=file.outcome if file is not None else "added",
        title=record.title,
        media_type=record.media_type,
        language=record.language,
        bytes=file.size if file is not None else 0,
        characters=record.characters,
        chunks=record.chunks,
        added_at=record.added_at,
        modified_at=record.modified_at,
        checked_at=file.checked_at if file is not None else "",
        uploaded=uploaded,
    )


def _problem(record: FileRecord, source: str, uploaded: bool) -> Entry:
    return Entry(
        document_id=None,
        path=record.path,
        source=source,
        outcome=record.outcome,
        reason=record.reason.removeprefix(f"{record.path!r} "),
        advice=advice(record, Path(source)),
        bytes=record.size,
        checked_at=record.checked_at,
        uploaded=uploaded,
    )


def advice(record: FileRecord, root: Path) -> str:
    """What a person can do about a file that was not taken in; the reason often says it already."""
    if record.outcome == "empty":
        return "If it is a scan, run it through text recognition (OCR) and add it again."
    if record.outcome == "skipped":
        return "Save it in a format that can be read, such as PDF, Word, Markdown or plain text."
    place = root if root.is_file() else root / record.path
    if not place.exists():
        return "The file is gone; the next synchronisation takes it off this list."
    return "Put the file right and synchronise again; it is tried anew at every run."

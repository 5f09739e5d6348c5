"""The file that a document came from, as far as a server may hand it out.

A library is data: one that somebody else made may say that a document came
from any path. A file is only handed out if, all links followed, it lies inside
the source that its document belongs to, that source is a folder or file which
this library synchronises, and its bytes are those that were indexed: nobody can
name the hash of a file that he has not read.

Refused: comparing paths as texts, which links and `..` lead out of.
"""

from __future__ import annotations

from functools import partial
from hashlib import blake2b, file_digest
from pathlib import Path

from openbook.errors import FileChanged, UsageError
from openbook.index.records import FileRecord
from openbook.serve.desk import Desk


def original_of(desk: Desk, document_id: int) -> Path:
    """The file of a document, all links followed.

    Raises UsageError for an unknown document, one that is being removed, one
    that came from no file, and a file that is gone or not in its source.
    """
    record = next(desk.documents([f"document={document_id}"]), None)
    if record is None:
        raise UsageError(f"This library has no document {document_id}.")
    source = next((source for source in desk.library.sources() if source.id == record.source_id), None)
    if source is None or source.kind == "memory":
        raise UsageError(f"{record.path!r} did not come from a file.")
    root = resolved(source.root)
    file = resolved(Path(source.root) / record.path) if source.kind == "folder" else root
    if root is None or file is None or not file.is_relative_to(root) or not file.is_file():
        raise UsageError(f"The file of {record.path!r} is no longer where it was. Its text is still here.")
    return file


def indexed_original_of(desk: Desk, document_id: int) -> Path:
    """The file of a document with the very bytes that were indexed.

    Raises what `original_of` raises, and FileChanged.
    """
    file = original_of(desk, document_id)
    seen = desk.library.file_of(document_id)
    with file.open("rb") as stream:
        digest = file_digest(stream, partial(blake2b, digest_size=16)).digest()
    if seen is None or digest != seen.content_hash:
        raise FileChanged(
            f"{file.name!r} has changed since it was indexed, and is not handed out as it is now. "
            "Synchronise its folder, and try again."
        )
    return file


def is_changed(file: Path, seen: FileRecord) -> bool:
    """Whether a file is another than the one that was read. Its bytes decide, unless size and time agree."""
    status = file.stat()
    if (status.st_size, status.st_mtime_ns) == (seen.size, seen.mtime_ns):
        return False
    if status.st_size != seen.size:
        return True
    with file.open("rb") as stream:
        return file_digest(stream, partial(blake2b, digest_size=16)).digest() != seen.content_hash


def resolved(path: str | Path) -> Path | None:
    """The path with all links followed; None where that cannot be done (a circle of links, a NUL)."""
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError, ValueError):
        return None

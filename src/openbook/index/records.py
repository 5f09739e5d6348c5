"""What the ledger hands out: the nouns of `openbook.types` with an identity.

The nouns themselves have no ids, because identity is a matter of storage.
Refused: rows as dictionaries or tuples, which no type checker can follow.

Times are UTC, ISO 8601 with seconds and a "Z": "2024-05-01T12:30:00Z".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal, TypeAlias

from openbook.types import OutcomeKind, Scalar

SourceKind: TypeAlias = Literal["folder", "file", "memory"]
GenerationState: TypeAlias = Literal["building", "active", "retired"]
ChangeKind: TypeAlias = Literal["text", "vectors", "removed"]


def hash_text(text: str) -> bytes:
    """Return the 16 bytes under which a text, or its vector, is known (BLAKE2b of its UTF-8)."""
    return blake2b(text.encode("utf-8"), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Source:
    """A folder, a single file or an in-memory collection that documents come from."""

    id: int
    root: str
    kind: SourceKind


@dataclass(frozen=True, slots=True)
class FileRecord:
    """The last outcome of one file of a source, and what was seen of the file then.

    `path` is relative to the source, POSIX style. `content_hash` is the
    BLAKE2b-16 of the file's bytes, empty if it was never read. `document_id`
    is None where the file has no document (failed, skipped, empty, removed).
    """

    path: str
    source_id: int
    size: int
    mtime_ns: int
    content_hash: bytes
    outcome: OutcomeKind
    reason: str = ""
    document_id: int | None = None
    checked_at: str = ""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file as a list shows it: how its last run ended, and what its document is like, if it has one.

    `source` is the root of its source, `size` is in bytes. Without a document
    (failed, skipped, empty) `document_id` is None, texts are "" and counts 0. A
    failed file may still have the document of its last good run.
    """

    path: str
    source: str
    size: int
    outcome: OutcomeKind
    reason: str
    checked_at: str
    document_id: int | None
    title: str
    media_type: str
    language: str
    characters: int
    chunks: int
    added_at: str
    modified_at: str


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """A document without its text. `characters` and `chunks` are counts.

    The id stays the same when the document's file changes or moves.
    `modified_at` is the `modified` of the metadata where there is one, else
    the file's modification time.
    """

    id: int
    source_id: int
    path: str
    title: str
    language: str
    media_type: str
    characters: int
    chunks: int
    added_at: str
    modified_at: str
    metadata: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """A chunk as stored, with what a hit says about its document.

    `text_hash` is `hash_text(embedded_text)`, the key of its vector;
    `plain_hash` is `hash_text(text)`, equal for exact duplicates.
    """

    id: int
    document_id: int
    path: str
    title: str
    position: int
    start: int
    end: int
    text: str
    context: str
    heading: str
    page: int | None
    place: str
    language: str
    text_hash: bytes
    source_root: str
    plain_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Generation:
    """All vectors of one embedder. Exactly one generation serves ("active"), once there is any."""

    id: int
    fingerprint: str
    name: str
    dimension: int
    state: GenerationState
    created_at: str


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the log by which derived indexes follow the ledger.

    kind      the document …
    text      has new text: its chunks are now first_chunk … last_chunk
    vectors   has all its vectors of `generation_id` now
    removed   lost the chunks first_chunk … last_chunk (an update logs this, then `text`)

    `last_chunk` is inclusive; a document without chunks has first_chunk 0 and
    last_chunk -1. Entries may be applied again without harm, in order.
    """

    sequence: int
    kind: ChangeKind
    document_id: int
    first_chunk: int
    last_chunk: int
    generation_id: int | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a ledger holds. `vectors` counts those of all generations, shared or unused ones once."""

    sources: int
    files: int
    documents: int
    chunks: int
    characters: int
    vectors: int

"""The ledger: the one truth of a library, in one SQLite file.

It holds sources, documents with their text, chunks, vectors, every file's
last outcome, settings and a log of changes by which the derived indexes
follow. This module is its face: each method is one transaction around the
functions of the `ledger_*` modules, which do the work.

The promises: a document enters or leaves in one transaction with the outcome
of its file; `kill -9` at any moment loses nothing that a method has returned
from and leaves nothing half in; readers, in this process or others, go on
while one writes; removed text is gone from the file (`secure_delete`), and
from the write-ahead log after `checkpoint`.

Refused: one table per index, ids that are reused, and an ORM.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from openbook.errors import LibraryDamaged
from openbook.index import (
    ledger_chunks,
    ledger_conversations,
    ledger_documents,
    ledger_listing,
    ledger_settings,
    ledger_sources,
    ledger_vectors,
)
from openbook.index.conversation_records import Conversation, Turn
from openbook.index.ledger_connection import Connections
from openbook.index.ledger_listing import ALL_FILES, FileFilter
from openbook.index.records import (
    Change,
    ChunkRecord,
    Counts,
    DocumentRecord,
    FileEntry,
    FileRecord,
    Generation,
    Source,
    SourceKind,
)
from openbook.index.where import Condition, parse_where
from openbook.types import Answer, Chunk, Document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from openbook.index.ledger_chunks import TextRow

LEDGER_NAME: Final = "ledger.sqlite"
"""The ledger's file in a library folder."""

KEPT_CHANGES: Final = 1_000_000
"""Entries of the change log kept by `checkpoint`. An index further behind is rebuilt faster."""

_BATCH_CHARACTERS: Final = 2_000_000
_BATCH_CHUNKS: Final = 4_096
_PAGE_DOCUMENTS: Final = 1_000


class Ledger:
    """A library's ledger. Thread-safe; a context manager that closes it.

    Raises LibraryNotFound (nothing there and not `create`), LibraryTooNew,
    LibraryDamaged (not readable, or changed by another program) and
    LibraryError. Where the folder may not be written, it opens read-only.
    """

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False) -> None:
        self.path = path
        self._connections = Connections(path, create=create, read_only=read_only)

    def close(self) -> None:
        """Close all connections. Harmless when repeated."""
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def read_only(self) -> bool:
        """Whether writing is impossible, by wish or for lack of permission."""
        return self._connections.read_only

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group several calls of this thread into one commit, which is faster: all or none."""
        with self._connections.writing():
            yield

    @property
    def library_id(self) -> str:
        """A random name given when the ledger was created; copies share it."""
        with self._connections.reading() as connection:
            row = connection.execute("SELECT value FROM facts WHERE name = 'library_id'").fetchone()
            return str(row[0])

    @property
    def sequence(self) -> int:
        """The number of the newest change."""
        with self._connections.reading() as connection:
            return ledger_documents.sequence(connection)

    def changes_since(self, sequence: int) -> list[Change] | None:
        """Return the changes after `sequence`, or None if the log does not hold all of them."""
        with self._connections.reading() as connection:
            return ledger_documents.changes_since(connection, sequence)

    def settings(self) -> dict[str, str]:
        """Return the settings that are kept with the library, without what `kept` returns."""
        with self._connections.reading() as connection:
            return ledger_settings.settings(connection)

    def kept(self, name: str) -> str | None:
        """Return the long text under a name that begins with "kept:", None if there is none."""
        with self._connections.reading() as connection:
            return ledger_settings.kept(connection, name)

    def kept_names(self, prefix: str) -> list[str]:
        """Return the names with this prefix under which `kept` finds something."""
        with self._connections.reading() as connection:
            return ledger_settings.kept_names(connection, prefix)

    def change_settings(self, changes: Mapping[str, str | None]) -> None:
        """Add, replace or, with None, delete settings and kept texts."""
        with self._connections.writing() as connection:
            ledger_settings.change_settings(connection, changes)

    def put_settings(self, settings: Mapping[str, str]) -> None:
        """Add or replace settings."""
        with self._connections.writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", settings.items()
            )

    # Sources and files

    def put_source(self, root: str, kind: SourceKind) -> Source:
        """Return the source with this root, added if it is new."""
        with self._connections.writing() as connection:
            return ledger_sources.put_source(connection, root, kind)

    def sources(self) -> list[Source]:
        """Return all sources, oldest first."""
        with self._connections.reading() as connection:
            return ledger_sources.sources(connection)

    def drop_source(self, source_id: int) -> None:
        """Forget a source without documents, and its files' outcomes."""
        with self._connections.writing() as connection:
            ledger_sources.drop_source(connection, source_id)

    def adopt_source(self, old_id: int, new_id: int, prefix: str) -> None:
        """Move all of the old source to `prefix`/path of the new one; the old source vanishes.

        Where both have a document at a path, the new source's stays.
        """
        with self._connections.writing() as connection:
            ledger_documents.adopt_documents(connection, old_id, new_id, prefix)
            ledger_sources.adopt_files(connection, old_id, new_id, prefix)
            ledger_sources.drop_source(connection, old_id)

    def files(self, source_id: int) -> dict[str, FileRecord]:
        """Return the file records of a source by path."""
        with self._connections.reading() as connection:
            return ledger_sources.files(connection, source_id)

    def file_of(self, document_id: int) -> FileRecord | None:
        """Return the record of the file that a document was read from; None if it came from no file."""
        with self._connections.reading() as connection:
            return ledger_sources.file_of(connection, document_id)

    def record_files(self, source_id: int, records: Iterable[FileRecord]) -> None:
        """Add or replace file records of a source."""
        with self._connections.writing() as connection:
            ledger_sources.record_files(connection, source_id, records)

    def touch_files(self, source_id: int, paths: Iterable[str], checked_at: str) -> None:
        """Note that files were found unchanged; those with a document are `unchanged` then."""
        with self._connections.writing() as connection:
            ledger_sources.touch_files(connection, source_id, paths, checked_at)

    def forget_files(self, source_id: int, paths: Iterable[str]) -> None:
        """Drop file records; documents stay."""
        with self._connections.writing() as connection:
            ledger_sources.forget_files(connection, source_id, paths)

    def list_files(
        self, wanted: FileFilter = ALL_FILES, *, offset: int = 0, limit: int = 100
    ) -> tuple[list[FileEntry], int]:
        """Return a page of all files by path, with their documents, and how many there are in all."""
        with self._connections.reading() as connection:
            return ledger_listing.files(connection, wanted, offset=offset, limit=limit)

    def outcome_counts(self) -> dict[str, int]:
        """Return the number of files by last outcome."""
        with self._connections.reading() as connection:
            return ledger_sources.outcome_counts(connection)

    # Documents

    def put_document(
        self, source_id: int, document: Document, chunks: Sequence[Chunk], file: FileRecord
    ) -> int:
        """Add or replace the document at (source, path), with its chunks and its file's outcome.

        Returns its id, which stays the same when it is replaced.
        """
        with self._connections.writing() as connection:
            return ledger_documents.put_document(connection, source_id, document, chunks, file)

    def move_document(self, document_id: int, path: str, file: FileRecord) -> None:
        """Give a document a new path; `file` is the record at that path, its source may differ too."""
        with self._connections.writing() as connection:
            ledger_documents.move_document(connection, document_id, replace(file, path=path))

    def remove_documents(self, ids: Sequence[int], *, forget_vectors: bool = False) -> None:
        """Remove documents; their files' outcome is `removed` then. Unknown ids are ignored.

        `forget_vectors` also deletes the cached vectors that no chunk needs any more.
        """
        with self._connections.writing() as connection:
            ledger_documents.remove_documents(connection, ids, forget_vectors=forget_vectors)

    def document(self, document_id: int) -> Document:
        """Return a whole document. Raises UsageError for an unknown id."""
        with self._connections.reading() as connection:
            return ledger_documents.document(connection, document_id)

    def documents(self) -> Iterator[DocumentRecord]:
        """Yield all documents in the order of their paths.

        In short transactions: a slow caller blocks nobody, and a document that
        is removed meanwhile is left out.
        """
        with self._connections.reading() as connection:
            ids = ledger_documents.ids_by_path(connection)
        for start in range(0, len(ids), _PAGE_DOCUMENTS):
            with self._connections.reading() as connection:
                found = ledger_documents.records(connection, ids[start : start + _PAGE_DOCUMENTS])
            yield from found

    def source_root(self, document_id: int) -> str:
        """Return the root of the source of a document. Raises UsageError for an unknown id."""
        with self._connections.reading() as connection:
            return ledger_documents.source_root(connection, document_id)

    def find_documents(self, path_pattern: str) -> list[DocumentRecord]:
        """Return the documents whose path matches as in the filter `path=PATTERN`, by path."""
        return self.select_documents(parse_where([f"path={path_pattern}"]))

    def select_documents(self, conditions: Sequence[Condition]) -> list[DocumentRecord]:
        """Return the documents for which all conditions (on documents) hold, by path."""
        with self._connections.reading() as connection:
            return ledger_chunks.find_documents(connection, conditions)

    def text(self, document_id: int, start: int, end: int) -> str:
        """Return `document.text[start:end]`, fast also for a large document."""
        with self._connections.reading() as connection:
            return ledger_documents.text(connection, document_id, start, end)

    def counts(self) -> Counts:
        """Return how much the ledger holds."""
        with self._connections.reading() as connection:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM sources), (SELECT count(*) FROM files), count(*), "
                "coalesce(sum(chunks), 0), coalesce(sum(characters), 0), "
                "(SELECT count(*) FROM vectors) FROM documents"
            ).fetchone()
            return Counts(*row)

    # Chunks

    def chunks(self, ids: Sequence[int]) -> dict[int, ChunkRecord]:
        """Return chunks by id, in the order asked for; unknown ids are left out."""
        with self._connections.reading() as connection:
            return ledger_chunks.chunks(connection, ids)

    def document_chunks(self, document_id: int) -> list[ChunkRecord]:
        """Return the chunks of a document in order."""
        with self._connections.reading() as connection:
            return ledger_chunks.document_chunks(connection, document_id)

    def chunk_ids_at(self, document_id: int, positions: Sequence[int]) -> list[int]:
        """Return the ids of a document's chunks at these positions; those it lacks are left out."""
        with self._connections.reading() as connection:
            return ledger_chunks.chunk_ids_at(connection, document_id, positions)

    def duplicates(self, text_hashes: Sequence[bytes]) -> dict[bytes, list[int]]:
        """Return by `plain_hash` the ids, ascending, of the chunks with exactly that text."""
        with self._connections.reading() as connection:
            return ledger_chunks.duplicates(connection, text_hashes)

    def titles_of_chunks(self, chunk_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
        """Return by chunk id (title and headings, language); unknown ids are left out."""
        with self._connections.reading() as connection:
            return ledger_chunks.titles(connection, chunk_ids)

    def select_chunk_ids(self, conditions: Sequence[Condition]) -> NDArray[np.int64]:
        """Return the sorted ids of the chunks for which all conditions hold."""
        with self._connections.reading() as connection:
            return ledger_chunks.select_chunk_ids(connection, conditions)

    def iterate_texts(
        self, document_ids: Sequence[int] | None = None
    ) -> Iterator[tuple[int, str, list[TextRow]]]:
        """Yield (document id, language, [(chunk id, context, text) …]) by document id.

        Streams in short transactions: memory stays flat, and a document that
        is removed meanwhile is left out.
        """
        with self._connections.reading() as connection:
            sizes = ledger_chunks.document_ids(connection)
        if document_ids is not None:
            wanted = set(document_ids)
            sizes = [(identity, size) for identity, size in sizes if identity in wanted]
        for batch in ledger_chunks.batches_by_size(sizes, _BATCH_CHARACTERS):
            with self._connections.reading() as connection:
                found = ledger_chunks.texts_of_documents(connection, batch)
            yield from found

    # Vectors

    def generations(self) -> list[Generation]:
        """Return all generations of vectors, oldest first."""
        with self._connections.reading() as connection:
            return ledger_vectors.generations(connection)

    def active_generation(self) -> Generation | None:
        """Return the generation that serves, or None before the first."""
        with self._connections.reading() as connection:
            return ledger_vectors.active_generation(connection)

    def open_generation(self, fingerprint: str, name: str, dimension: int) -> Generation:
        """Find or begin the generation of an embedder: active if none is, else building."""
        with self._connections.writing() as connection:
            return ledger_vectors.open_generation(connection, fingerprint, name, dimension)

    def activate_generation(self, generation_id: int) -> None:
        """Let a generation serve; the one before is retired and can be brought back."""
        with self._connections.writing() as connection:
            ledger_vectors.activate_generation(connection, generation_id)

    def drop_generation(self, generation_id: int) -> None:
        """Delete a generation that does not serve, and its vectors."""
        with self._connections.writing() as connection:
            ledger_vectors.drop_generation(connection, generation_id)

    def pending_documents(self, generation_id: int, limit: int) -> list[int]:
        """Return up to `limit` documents that wait for vectors, newest text first."""
        with self._connections.reading() as connection:
            return ledger_vectors.pending_documents(connection, generation_id, limit)

    def pending_counts(self, generation_id: int) -> tuple[int, int]:
        """Return how many (documents, chunks) wait for vectors."""
        with self._connections.reading() as connection:
            return ledger_vectors.pending_counts(connection, generation_id)

    def missing_texts(self, generation_id: int, document_ids: Sequence[int]) -> list[tuple[bytes, str]]:
        """Return (hash, embedded text) of these documents' chunks without a vector, each text once."""
        with self._connections.reading() as connection:
            return ledger_vectors.missing_texts(connection, generation_id, document_ids)

    def put_vectors(self, generation_id: int, hashes: Sequence[bytes], vectors: NDArray[np.float16]) -> None:
        """Store float16 vectors, shape (len(hashes), dimension), under the hashes of their texts."""
        with self._connections.writing() as connection:
            ledger_vectors.put_vectors(connection, generation_id, hashes, vectors)

    def mark_embedded(self, generation_id: int, document_ids: Sequence[int]) -> None:
        """Let the vectors of these documents be used. Raises LibraryError if one lacks a vector."""
        with self._connections.writing() as connection:
            ledger_vectors.mark_embedded(connection, generation_id, document_ids)

    def forget_unused_vectors(self) -> int:
        """Delete the vectors of text that is in no chunk any more; return how many."""
        with self._connections.writing() as connection:
            return ledger_vectors.forget_unused_vectors(connection)

    def iterate_vectors(
        self, generation_id: int, document_ids: Sequence[int] | None = None
    ) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float16]]]:
        """Yield (document id, chunk ids, float16 rows in position order) of embedded documents, by id."""
        with self._connections.reading() as connection:
            sizes = ledger_vectors.embedded_documents(connection, generation_id, document_ids)
        for batch in ledger_chunks.batches_by_size(sizes, _BATCH_CHUNKS):
            with self._connections.reading() as connection:
                found = ledger_vectors.vectors_of_documents(connection, generation_id, batch)
            yield from found

    # Conversations

    def put_conversation(self, name: str) -> Conversation:
        """Begin a conversation. Like a turn, it needs SQLite's short lock only, not the library's."""
        with self._connections.writing() as connection:
            return ledger_conversations.put_conversation(connection, name)

    def conversations(self) -> list[Conversation]:
        """Return all conversations, the one used last first."""
        with self._connections.reading() as connection:
            return ledger_conversations.conversations(connection)

    def conversation(self, conversation_id: int) -> Conversation:
        """Return one conversation. Raises UsageError for an unknown id."""
        with self._connections.reading() as connection:
            return ledger_conversations.conversation(connection, conversation_id)

    def rename_conversation(self, conversation_id: int, name: str) -> Conversation:
        """Give a conversation another name. Raises UsageError for an unknown id or an empty name."""
        with self._connections.writing() as connection:
            return ledger_conversations.rename_conversation(connection, conversation_id, name)

    def delete_conversations(self, conversation_ids: Sequence[int]) -> None:
        """Delete conversations with their turns; after `checkpoint` no byte of them is left."""
        with self._connections.writing() as connection:
            ledger_conversations.delete_conversations(connection, conversation_ids)

    def put_turn(self, conversation_id: int, answer: Answer, *, seen_losses: int | None = None) -> Turn:
        """Append a question with its answer to a conversation, and return it as it was kept.

        What changed or removed documents have taken from the answer meanwhile
        is not kept; `seen_losses` are the conversation's when it was begun.
        """
        with self._connections.writing() as connection:
            return ledger_conversations.put_turn(connection, conversation_id, answer, seen_losses=seen_losses)

    def turns(self, conversation_id: int) -> list[Turn]:
        """Return the turns of a conversation, oldest first. Raises UsageError for an unknown id."""
        with self._connections.reading() as connection:
            return ledger_conversations.turns(connection, conversation_id)

    # Maintenance

    def checkpoint(self, seconds: float = 5.0) -> None:
        """Make all that was done safe against a power cut, and removed text vanish from every byte.

        Raises LibraryLocked if a reader needed the write-ahead log for longer
        than `seconds`; nothing is lost then, and a later call finishes.
        """
        with self._connections.writing() as connection:
            ledger_documents.trim_changes(connection, KEPT_CHANGES)
        self._connections.checkpoint(seconds)

    def check(self) -> list[str]:
        """Return what is wrong with the ledger, in words; empty if all is well. Reads all of it."""
        from openbook.index.ledger_check import problems

        try:
            with self._connections.reading() as connection:
                return problems(connection)
        except LibraryDamaged as error:  # so broken that even the check cannot go on
            return [str(error)]

    def snapshot(self, path: Path) -> None:
        """Write a consistent, compact copy of the ledger to a file that does not exist yet."""
        self._connections.copy_to(path)

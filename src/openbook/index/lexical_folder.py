"""The files of the lexical index: opening, writing, removing for good, checking.

Chunks are added by one thread, so a segment holds chunks in the order in
which they came. Removed chunks are only marked as such by tantivy; their terms
stay in the segment until it is merged. `rewrite_segments` gets rid of them:
it removes *all* chunks of such a segment and adds the living ones again, after
which tantivy drops the empty segment.

How far the index has followed the ledger stands in `followed.json`, written
*after* the commit whose number it names. A crash in between leaves an older
sequence there, from which changes are applied again, without harm; it can
never be ahead of the index. Refused: keeping it in the index as a document
without words. Each commit adds one, BM25 counts them all as empty documents,
and a library that grew file by file was scored as if half of it were blank.

Refused too: waiting for tantivy's own merges (they come when they come), and
rebuilding everything on each removal.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
import zlib
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from openbook.errors import LibraryError, StorageFull
from openbook.index import analysis

if TYPE_CHECKING:
    import tantivy

    from openbook.index.ledger import Ledger
    from openbook.index.records import Change

_FORMAT: Final = f"3.{analysis.ANALYSIS_VERSION}"
_FOLLOWED: Final = "followed.json"
WHOLE_DOCUMENT_CHUNKS: Final = 4
"""In a document of at most so many chunks, each is found by the words of the whole document.

A question's words are seldom all in one chunk of a short text. Fused with cosines it raises nDCG@10 from
.352 to .359 on finance posts and leaves abstracts as they were; longer documents gain nothing more.
"""
_WRITER_BYTES: Final = 64_000_000
"""Memory in which tantivy collects postings before it writes a segment."""
_CHECKED_BYTES: Final = 50_000_000
"""Bytes of new files that are checked when the index is opened (1 ms a megabyte); `verify` checks all."""
_FOOTER_MAGIC: Final = 1337
_BATCH: Final = 20_000


class Unusable(Exception):
    """What is in the folder cannot serve; says why, as a sentence."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What `followed.json` holds: the index has at least all changes up to `sequence` since `commit`."""

    format: str
    library_id: str
    sequence: int
    commit: int


@dataclass(frozen=True, slots=True)
class Opened:
    """One committed state of the index, as it was when opened. Never changes."""

    index: tantivy.Index
    searcher: tantivy.Searcher
    schema: tantivy.Schema
    library_id: str = ""
    sequence: int = 0
    count: int = 0
    highest: int = 0
    """The highest chunk id."""
    languages: tuple[str, ...] = ()
    """Most frequent first."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the index as its `meta.json` lists it. `number` is its place among them.

    `entries` counts chunks, those marked as `removed` included.
    """

    number: int
    name: str
    entries: int
    removed: int


class LexicalFolder:
    """The folder of a lexical index."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._meta = folder / "meta.json"
        self._followed = folder / _FOLLOWED
        self._sound: set[str] = set()

    def stamp(self) -> tuple[int, ...]:
        """Return a value that changes with every commit."""
        try:
            found = self._meta.stat(), self._followed.stat()
        except OSError:
            return ()
        return tuple(number for one in found for number in (one.st_mtime_ns, one.st_ino, one.st_size))

    def open(self, library_id: str | None) -> Opened:
        """Open the newest commit. Raises Unusable."""
        import tantivy

        if not self._meta.exists():
            raise Unusable("The lexical index is missing.")
        try:
            self._check_new_files()
            with rust_errors("opened"):
                opened = _opened(tantivy.Index.open(str(self._folder)), self._read_followed())
        except (LibraryError, OSError, ValueError, KeyError, TypeError) as error:
            raise Unusable(f"The lexical index is damaged: {error}") from error
        if library_id is not None and opened.library_id != library_id:
            raise Unusable("The lexical index belongs to another library.")
        return opened

    def create(self) -> Opened:
        """Empty the folder and make an index without chunks in it."""
        import tantivy

        # the folder itself stays: a thread of tantivy's may put its lock file there at any time
        self._folder.mkdir(parents=True, exist_ok=True)
        for entry in self._folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)
        with rust_errors("created"):
            index = tantivy.Index(_schema(), str(self._folder), reuse=False)
            return Opened(index, _prepared(index), index.schema)

    @contextmanager
    def writing(self, opened: Opened) -> Iterator[LexicalWriter]:
        """Give a writer; commit when the block is left, keep the old state if it fails."""
        with rust_errors("written"):
            writer = opened.index.writer(_WRITER_BYTES, 1)
            try:
                session = LexicalWriter(writer, opened)
                yield session
                commit = writer.commit()
                # tantivy would do so in the background, perhaps only when this folder is another index's
                writer.garbage_collect_files()
            except BaseException:
                writer.rollback()
                raise
            finally:
                writer.wait_merging_threads()
            self._write_followed(Followed(_FORMAT, session.library_id, session.sequence, commit))

    def _check_new_files(self) -> None:
        """Check the files of segments not seen before, unless that would be felt. Raises Unusable.

        tantivy checks no checksums itself, and crashes on broken postings.
        """
        names = [segment.name for segment in self.segments()]
        files = [file for name in names if name not in self._sound for file in self._folder.glob(f"{name}.*")]
        if sum(file.stat().st_size for file in files) <= _CHECKED_BYTES:
            for file in files:
                if not _checksum_fits(file):
                    raise Unusable(f"The lexical index is damaged: {file.name!r} is not as it was written.")
        self._sound = set(names)

    def _read_followed(self) -> Followed:
        """Return how far the newest commit has followed, or less far. Raises Unusable."""
        try:
            content = json.loads(self._followed.read_bytes())
            commit = json.loads(self._meta.read_bytes())["opstamp"]
        except (OSError, ValueError, KeyError) as error:
            raise Unusable("The lexical index was never completed.") from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise Unusable("The lexical index was written by another version of openbook.")
        try:
            followed = Followed(**content)
        except TypeError as error:
            raise Unusable(f"The lexical index is damaged: {_FOLLOWED!r} is incomplete.") from error
        if followed.commit > commit:
            raise Unusable("The lexical index is older than its record says.")
        return followed

    def _write_followed(self, followed: Followed) -> None:
        fresh = self._folder / f"{_FOLLOWED}.new"
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(asdict(followed), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._followed)

    def segments(self) -> list[Segment]:
        """Return the segments of the newest commit."""
        meta: dict[str, Any] = json.loads(self._meta.read_bytes())
        return [
            Segment(
                number,
                entry["segment_id"].replace("-", ""),
                entry["max_doc"],
                (entry.get("deletes") or {}).get("num_deleted_docs", 0),
            )
            for number, entry in enumerate(meta["segments"])
        ]

    def segments_with_removals(self) -> list[Segment]:
        """Return the segments that still hold the terms of removed chunks."""
        return [segment for segment in self.segments() if segment.removed]

    def sweep(self) -> None:
        """Delete the files of segments that the newest commit does not know.

        tantivy keeps them while this process searches in them. Readers that
        have such a file open keep it until they reload.
        """
        living = {segment.name for segment in self.segments()}
        for file in self._folder.iterdir():
            name = file.name.split(".")[0]
            if name and file not in {self._meta, self._followed} and name not in living:
                file.unlink(missing_ok=True)

    def check(self, opened: Opened, ledger: Ledger) -> list[str]:
        """Return what is wrong, in words."""
        import tantivy

        problems = [
            f"The file {file.name!r} of the lexical index is damaged."
            for segment in self.segments()
            for file in sorted(self._folder.glob(f"{segment.name}.*"))
            if not _checksum_fits(file)
        ]
        if problems:
            return problems
        if opened.sequence != ledger.sequence:
            problems.append(f"The lexical index is at change {opened.sequence} of {ledger.sequence}.")
        ids = ledger.select_chunk_ids(())
        present = 0
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH].tolist()
            query = tantivy.Query.term_set_query(opened.schema, "chunk", batch)
            present += _count(opened.searcher.search(query, 1))
        if present != len(ids) or opened.count != len(ids):
            problems.append(
                f"The lexical index holds {opened.count} chunks, {present} of the ledger's {len(ids)}."
            )
        return problems


class LexicalWriter:
    """The changes of one commit."""

    def __init__(self, writer: tantivy.IndexWriter, opened: Opened) -> None:
        self._writer = writer
        self._opened = opened
        self.library_id = opened.library_id
        self.sequence = opened.sequence

    def replace_all(self, ledger: Ledger, sequence: int) -> None:
        """Put all chunks of the ledger in the place of whatever there is."""
        self._writer.delete_all_documents()
        for document_id, language, rows in ledger.iterate_texts(None):
            self._add(document_id, language, rows)
        self.library_id, self.sequence = ledger.library_id, sequence

    def apply(self, ledger: Ledger, changes: Sequence[Change]) -> None:
        """Apply changes. Applying them again does no harm.

        All chunks that the changes name are removed, then those that still
        exist are added with their present text.
        """
        newest: dict[int, Change] = {}
        for change in changes:
            if change.kind == "vectors":
                continue
            if change.kind == "text":
                newest[change.document_id] = change
            # ids are never reused, so what is above the highest cannot be here yet
            self._remove(range(change.first_chunk, min(change.last_chunk, self._opened.highest) + 1))
        for document_id, language, rows in ledger.iterate_texts(sorted(newest)) if newest else ():
            change = newest[document_id]
            self._add(document_id, language, rows, range(change.first_chunk, change.last_chunk + 1))
        self.sequence = changes[-1].sequence

    def rewrite_segments(self, ledger: Ledger, segments: Sequence[Segment]) -> None:
        """Move the living chunks of these segments into a new one, so that tantivy drops them."""
        moved: set[int] = set()
        documents: set[int] = set()
        for segment in segments:
            for chunk_ids, document_ids in _contents(self._opened, segment):
                moved.update(chunk_ids)
                documents.update(document_ids)
        self._remove(moved)
        for document_id, language, rows in ledger.iterate_texts(sorted(documents)):
            self._add(document_id, language, rows, moved)

    def _remove(self, chunk_ids: Iterable[int]) -> None:
        for chunk_id in chunk_ids:
            self._writer.delete_documents_by_term("chunk", chunk_id)

    def _add(
        self,
        document_id: int,
        language: str,
        rows: Sequence[tuple[int, str, str]],
        chosen: Container[int] | None = None,
    ) -> None:
        """Add the chosen chunks (None: all) of a document, of which `rows` are all chunks."""
        from tantivy import Document

        terms_of = analysis.analysis_of(language).terms
        whole = "\n".join(text for _, _, text in rows) if len(rows) <= WHOLE_DOCUMENT_CHUNKS else None
        for chunk_id, context, text in rows:
            if chosen is not None and chunk_id not in chosen:
                continue
            text = text if whole is None else whole
            entry = Document()
            entry.add_text("words", " ".join(terms_of(f"{context}\n{text}" if context else text)))
            entry.add_integer("chunk", chunk_id)
            entry.add_integer("document", document_id)
            # never empty, because an empty term is not indexed
            entry.add_text("language", f"={language}")
            self._writer.add_document(entry)


@contextmanager
def rust_errors(what: str) -> Iterator[None]:
    """Turn the failures of tantivy (ValueError, OSError, Rust panics) into ours."""
    try:
        yield
    except (ValueError, OSError) as error:
        if "os error 28" in str(error) or getattr(error, "errno", None) == errno.ENOSPC:
            raise StorageFull(
                "There is no space left for the lexical index. Nothing reported done is lost: "
                "free some space and run the same command again."
            ) from error
        raise _failure(what, error) from error
    except BaseException as error:
        # a panic in Rust is no Exception for Python, and its type cannot be imported
        if type(error).__name__ == "PanicException":
            raise _failure(what, error) from error
        raise


def _failure(what: str, error: BaseException) -> LibraryError:
    return LibraryError(
        f"The lexical index could not be {what}: {error}. It can be rebuilt from the ledger: openbook verify"
    )


def _schema() -> tantivy.Schema:
    from tantivy import SchemaBuilder

    builder = SchemaBuilder()
    builder.add_text_field("words", tokenizer_name="terms", index_option="freq")
    builder.add_integer_field("chunk", indexed=True, fast=True)
    builder.add_integer_field("document", fast=True)
    builder.add_text_field("language", tokenizer_name="raw", index_option="basic")
    return builder.build()


def _prepared(index: tantivy.Index) -> tantivy.Searcher:
    """Give the index its one tokenizer and a reader that changes only when told to."""
    from tantivy import TextAnalyzerBuilder, Tokenizer

    index.register_tokenizer("terms", TextAnalyzerBuilder(Tokenizer.whitespace()).build())
    index.config_reader(reload_policy="manual")
    return index.searcher()


def _opened(index: tantivy.Index, followed: Followed) -> Opened:
    from tantivy import Query

    searcher = _prepared(index)
    newest = searcher.search(Query.exists_query("chunk"), 1, order_by_field="chunk")
    counted = sorted(searcher.terms_with_prefix("language", "="), key=lambda item: (-item[1], item[0]))
    return Opened(
        index=index,
        searcher=searcher,
        schema=index.schema,
        library_id=followed.library_id,
        sequence=followed.sequence,
        count=searcher.num_docs,
        highest=newest.hits[0][0] if newest.hits else 0,
        languages=tuple(name[1:] for name, _ in counted),
    )


def _count(result: tantivy.SearchResult) -> int:
    # the attribute is missing from tantivy's type stubs
    return int(getattr(result, "count", 0))


def _contents(opened: Opened, segment: Segment) -> Iterator[tuple[list[int], list[int]]]:
    """Yield (chunk ids, document ids) of a segment, removed ones included."""
    from tantivy import DocAddress

    def values(name: str, addresses: list[DocAddress]) -> list[int]:
        found = opened.searcher.fast_field_values(name, addresses)
        return [int(value) for value in found if value is not None]

    for start in range(0, segment.entries, _BATCH):
        stop = min(start + _BATCH, segment.entries)
        addresses = [DocAddress(segment.number, entry) for entry in range(start, stop)]
        yield values("chunk", addresses), values("document", addresses)


def _checksum_fits(file: Path) -> bool:
    """Compare a file of a segment with the checksum (CRC-32) that tantivy put at its end."""
    content = file.read_bytes()
    if len(content) < 8:
        return False
    length, magic = struct.unpack("<II", content[-8:])
    if magic != _FOOTER_MAGIC or length > len(content) - 8:
        return False
    end = len(content) - 8 - length
    try:
        expected = json.loads(content[end:-8])["crc"]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(zlib.crc32(memoryview(content)[:end]) == expected)

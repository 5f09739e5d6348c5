"""The files behind the vector index: rows of float16, their sign bits, their chunk ids.

    header.json          counts, checksums, sequence; replaced as a whole
    EPOCH.vectors        float16, `dimension` numbers a row
    EPOCH.bits           the signs of each row, in words of 64
    EPOCH.ids            int64, the chunk of each row
    EPOCH.removed        int64, numbers of the rows that do not count any more

Files only grow. What the header does not count is not there: a crash between
writing rows and replacing the header leaves the old state, and the next
writer cuts the rest off. A removed row is overwritten with zeros *after* the
header says that it is removed. When many rows are removed, the living ones are
copied to files of a new epoch.

Numbers are in the byte order of the machine, which is little-endian wherever
openbook runs. Refused: one file with a directory of its own (a database
again), and mapping the rows into memory (the pages would count as
this process's memory: 768 MB for a million rows).
"""

from __future__ import annotations

import errno
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Final, Self, TypeVar

import numpy as np

from openbook.errors import LibraryError, StorageFull
from openbook.index.bit_rows import BitRows, sign_bits, word_count
from openbook.index.vector_file import VectorFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.index.bit_rows import Ids, Words

T = TypeVar("T", bound=np.generic)

FORMAT: Final = 1
_HEADER: Final = "header.json"
_INTEGERS: Final = np.dtype(np.int64)
_STRETCH: Final = 65_536
"""Rows read or copied at once."""


class Unusable(Exception):
    """The files cannot serve; says why, as a sentence."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the files hold. The checksums are CRC-32; that of the bits takes removed rows as zeros."""

    library_id: str
    generation_id: int
    dimension: int
    surroundings_weight: float
    format: int = FORMAT
    sequence: int = 0
    epoch: int = 0
    rows: int = 0
    removed: int = 0
    erased: int = 0
    """How many of the removed rows are known to be overwritten with zeros."""
    bits_checksum: int = 0
    ids_checksum: int = 0
    removed_checksum: int = 0

    @property
    def words(self) -> int:
        """64-bit words of a row of bits."""
        return word_count(self.dimension)


@dataclass(frozen=True, slots=True)
class Loaded:
    """One committed state: the header, the bits of its living rows, and the vectors on disk."""

    header: Header
    bits: BitRows
    vectors: VectorFile


class RowFiles:
    """The folder of a vector index."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def stamp(self) -> tuple[int, ...]:
        """Return a value that changes with every commit."""
        try:
            found = (self._folder / _HEADER).stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_ino, found.st_size

    def header(self) -> Header:
        """Read the header. Raises Unusable."""
        try:
            content = json.loads((self._folder / _HEADER).read_bytes())
        except FileNotFoundError:
            raise Unusable("The vector index is missing.") from None
        except (OSError, ValueError) as error:
            raise Unusable(f"The vector index is damaged: its header cannot be read ({error}).") from error
        names = {field.name for field in fields(Header)}
        if not isinstance(content, dict) or content.get("format") != FORMAT or content.keys() != names:
            raise Unusable("The vector index was written by another version of openbook.")
        return Header(**content)

    def load(self, before: Loaded | None = None) -> Loaded:
        """Load the newest commit; of a known earlier state only what is new. Raises Unusable.

        A writer may replace the files meanwhile, which shows in a new header.
        """
        header = self.header()
        while True:
            try:
                if before and _continues(before.header, header):
                    return self._load_more(before, header)
                return self._load_all(header)
            except (Unusable, OSError) as error:
                newer = self.header()
                if newer == header:
                    raise error if isinstance(error, Unusable) else _damaged(str(error)) from error
                header = newer

    def path(self, header: Header, kind: str) -> Path:
        """Return the file of this kind and epoch."""
        return self._folder / f"{header.epoch}.{kind}"

    def next_epoch(self) -> int:
        """Return an epoch that no file here belongs to."""
        if not self._folder.is_dir():
            return 1
        return 1 + max((int(p.stem) for p in self._folder.iterdir() if p.stem.isdecimal()), default=0)

    def writing(self, header: Header) -> RowWriter:
        """Begin to write behind this state. Files of other epochs are deleted at the commit."""
        return RowWriter(self._folder, header)

    def _load_all(self, header: Header) -> Loaded:
        """Read and check everything but the vectors themselves."""
        vectors = self.path(header, "vectors")
        if vectors.stat().st_size < header.rows * 2 * header.dimension:
            raise _damaged("vectors are missing")
        ids = _read(self.path(header, "ids"), _INTEGERS, 0, header.rows)
        removed = _read(self.path(header, "removed"), _INTEGERS, 0, header.removed)
        if zlib.crc32(ids.data) != header.ids_checksum or zlib.crc32(removed.data) != header.removed_checksum:
            raise _damaged("its ids are not those that were written")
        living = np.ones(header.rows, dtype=np.bool_)
        living[removed] = False
        checksum = 0

        def parts() -> Iterator[Words]:
            nonlocal checksum
            for start, part in self.bits(header):
                alive = living[start : start + len(part)]
                part[~alive] = 0
                checksum = zlib.crc32(part.data, checksum)
                yield part[alive]

        bits = BitRows.of(ids[living], np.flatnonzero(living), parts())
        if checksum != header.bits_checksum:
            raise _damaged("its bits are not those that were written")
        return Loaded(header, bits, VectorFile(vectors, header.dimension, header.rows))

    def _load_more(self, before: Loaded, header: Header) -> Loaded:
        """Read what was written since an earlier state of the same epoch."""
        old = before.header
        bits = before.bits
        if header.rows > old.rows:
            ids = _read(self.path(header, "ids"), _INTEGERS, old.rows, header.rows)
            parts = (part for _, part in self.bits(header, old.rows))
            bits = BitRows.of(ids, np.arange(old.rows, header.rows, dtype=np.int64), parts, bits)
        if header.removed > old.removed:
            bits = bits.without(_read(self.path(header, "removed"), _INTEGERS, old.removed, header.removed))
        before.vectors.rows = header.rows
        return Loaded(header, bits, before.vectors)

    def bits(self, header: Header, start: int = 0) -> Iterator[tuple[int, Words]]:
        """Yield (number of the first row, bits of some rows) from row `start` on."""
        path, words = self.path(header, "bits"), header.words
        for first in range(start, header.rows, _STRETCH):
            last = min(first + _STRETCH, header.rows)
            yield first, _read(path, np.dtype(np.uint64), first * words, last * words).reshape(-1, words)


class RowWriter:
    """Writes behind a committed state. Nothing counts before `commit`; without it nothing has happened.

    A context manager that closes the files. Raises StorageFull.
    """

    def __init__(self, folder: Path, header: Header) -> None:
        self.header = header
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}
        self._newly_removed: list[Ids] = []
        with _disk_errors():
            folder.mkdir(parents=True, exist_ok=True)
            sizes = {
                "vectors": header.rows * 2 * header.dimension,
                "bits": header.rows * 8 * header.words,
                "ids": header.rows * 8,
                "removed": header.removed * 8,
            }
            for kind, size in sizes.items():
                path = folder / f"{header.epoch}.{kind}"
                path.touch()
                self._files[kind] = path.open("r+b")
                self._files[kind].truncate(size)
                self._files[kind].seek(size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    def add(self, ids: Ids, vectors: NDArray[np.float16]) -> None:
        """Append rows: ids of shape (n,), vectors of shape (n, dimension)."""
        bits = sign_bits(vectors)
        numbers = np.ascontiguousarray(ids, dtype=np.int64)
        with _disk_errors():
            self._files["vectors"].write(np.ascontiguousarray(vectors, dtype=np.float16).data)
            self._files["bits"].write(bits.data)
            self._files["ids"].write(numbers.data)
        self.header = replace(
            self.header,
            rows=self.header.rows + len(ids),
            bits_checksum=zlib.crc32(bits.data, self.header.bits_checksum),
            ids_checksum=zlib.crc32(numbers.data, self.header.ids_checksum),
        )

    def remove(self, rows: Ids) -> None:
        """Mark rows as removed, by number."""
        if not len(rows):
            return
        numbers = np.ascontiguousarray(rows, dtype=np.int64)
        with _disk_errors():
            self._files["removed"].write(numbers.data)
        self._newly_removed.append(numbers)
        self.header = replace(
            self.header,
            removed=self.header.removed + len(rows),
            removed_checksum=zlib.crc32(numbers.data, self.header.removed_checksum),
        )

    def commit(self, sequence: int) -> None:
        """Make everything written so far count, as of this sequence number of the ledger."""
        with _disk_errors():
            if self._newly_removed:
                self.header = replace(self.header, bits_checksum=self._checksum_without_removed())
            self.header = replace(self.header, sequence=sequence)
            for file in self._files.values():
                file.flush()
                os.fsync(file.fileno())
            self._replace_header()
            if self.header.erased < self.header.removed:
                self._erase()
                self.header = replace(self.header, erased=self.header.removed)
                self._replace_header()
            for path in self._folder.iterdir():
                if path.name != _HEADER and path.stem != str(self.header.epoch):
                    path.unlink(missing_ok=True)

    def _replace_header(self) -> None:
        fresh = self._folder / f"{_HEADER}.new"
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(asdict(self.header), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._folder / _HEADER)

    def _checksum_without_removed(self) -> int:
        self._files["bits"].flush()
        self._files["removed"].flush()
        files = RowFiles(self._folder)
        removed = _read(files.path(self.header, "removed"), _INTEGERS, 0, self.header.removed)
        gone = np.zeros(self.header.rows, dtype=np.bool_)
        gone[removed] = True
        checksum = 0
        for start, part in files.bits(self.header):
            part[gone[start : start + len(part)]] = 0
            checksum = zlib.crc32(part.data, checksum)
        return checksum

    def _erase(self) -> None:
        """Overwrite removed rows with zeros, also those that a crash left as they were."""
        path = self._folder / f"{self.header.epoch}.removed"
        rows = np.sort(_read(path, _INTEGERS, self.header.erased, self.header.removed))
        edges = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
        for kind, width in (("vectors", 2 * self.header.dimension), ("bits", 8 * self.header.words)):
            for start, stop in pairwise(edges):
                self._files[kind].seek(int(rows[start]) * width)
                self._files[kind].write(bytes((stop - start) * width))
            self._files[kind].flush()
            os.fsync(self._files[kind].fileno())


def _continues(old: Header, new: Header) -> bool:
    """Whether the files of the new state are those of the old one, grown."""
    same = (old.epoch, old.library_id, old.generation_id, old.dimension, old.surroundings_weight) == (
        new.epoch, new.library_id, new.generation_id, new.dimension, new.surroundings_weight
    )  # fmt: skip
    return same and new.rows >= old.rows and new.removed >= old.removed


def _read(path: Path, kind: np.dtype[T], start: int, stop: int) -> NDArray[T]:
    """Read the numbers `start` to `stop` of a file. Raises Unusable if it is shorter."""
    found = np.fromfile(path, dtype=kind, count=stop - start, offset=start * kind.itemsize)
    if len(found) != stop - start:
        raise _damaged(f"the file {path.name!r} is cut off")
    return found


def _damaged(why: str) -> Unusable:
    return Unusable(f"The vector index is damaged: {why}.")


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StorageFull(
                "There is no space left for the vector index. Nothing reported done is lost: "
                "free some space and run the same command again."
            ) from error
        raise LibraryError(f"The vector index could not be written: {error}.") from error

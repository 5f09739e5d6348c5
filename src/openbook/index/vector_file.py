"""Random access to the rows of a vector index, without mapping the file.

A few hundred rows are wanted in every search, each from another place. Reading
them costs a microsecond a row, which is a tenth of a search, so a file that is
not too large moves into memory, little by little, once it was asked for often.
A process that searches once keeps nothing.

Refused: mapping the file (a file that is cut short kills the process, and the
pages of a large one would count as this process's memory), and reading all of
it at once (one search in between would wait for the disk).
"""

from __future__ import annotations

import os
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.errors import LibraryError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.index.bit_rows import Ids

_KEPT_BYTES: Final = 80_000_000
"""A file of vectors of at most so many bytes (100,000 rows of 384) is kept in memory …"""
_OFTEN: Final = 16
"""… after rows of it were wanted so many times (a single search is over before that) …"""
_KEPT_AT_ONCE: Final = 4_096
"""… so many rows each time that others are wanted, so that no search waits for the whole file."""


class VectorFile:
    """Random access to float16 rows without mapping them. Closed when nothing refers to it.

    `rows` is how many the header counts; it may be raised when more are committed.
    """

    def __init__(self, path: Path, dimension: int, rows: int) -> None:
        self.rows = rows
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._width = 2 * dimension
        self._asked = 0
        self._keeping = threading.Lock()
        self._held = 0
        # Memory that is never written to is never taken.
        self._kept = np.empty((_KEPT_BYTES // self._width, dimension), dtype=np.float16)
        weakref.finalize(self, os.close, self._descriptor)

    def recall(self, rows: Ids) -> NDArray[np.float16]:
        """Return what `read` does, of a file that is not too large from memory once it was asked for often.

        300 calls of the system for 300 rows take a twentieth of a search. Rows that are
        kept may have been removed since; nobody who knows that asks for them.
        """
        if len(rows) and rows[-1] < self._held:
            return self._kept.take(rows, axis=0)
        self._asked += 1
        if self._asked > _OFTEN and self.rows <= len(self._kept):
            self._keep_more()
        return self.read(rows)

    def _keep_more(self) -> None:
        """Read a further stretch into memory, unless another thread is at it."""
        if not self._keeping.acquire(blocking=False):
            return
        try:
            part = slice(self._held, min(self._held + _KEPT_AT_ONCE, self.rows))
            self._kept[part] = self.read(np.arange(part.start, part.stop, dtype=np.int64))
            self._held = part.stop
        finally:
            self._keeping.release()

    def read(self, rows: Ids) -> NDArray[np.float16]:
        """Return these rows (sorted numbers) from the disk, shape (n, dimension)."""
        # Adjoining rows are read at once.
        starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
        offsets = (rows[starts] * self._width).tolist()
        lengths = (np.diff(starts, append=len(rows)) * self._width).tolist()
        read, descriptor = os.pread, self._descriptor
        content = b"".join(
            [read(descriptor, length, offset) for length, offset in zip(lengths, offsets, strict=True)]
        )
        if len(content) != len(rows) * self._width:
            raise LibraryError(
                "The file of vectors is shorter than its header says. "
                "Nothing is lost; it can be rebuilt from the ledger: openbook verify"
            )
        return np.frombuffer(content, dtype=np.float16).reshape(len(rows), self._width // 2)

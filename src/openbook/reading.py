"""The processes that read files for one library, one of which stays ready between two runs.

To start one takes a tenth of a second, longer than everything else that bringing
one changed file up to date takes. So a library that stays open, as in a program
that follows a folder, keeps one. Refused: reading small text files in the
library's own process, where nothing could stop a parser that hangs.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openbook.read.pool import ReadingPool
    from openbook.sync.carry_out import ReadFiles


class Readers:
    """Reading processes under limits (see `ReadingPool`); they end with this object at the latest.

    To be used by one thread at a time, as whoever reads into a library holds its write lock.
    `workers` of 0 stands for one on each core.
    """

    def __init__(self, workers: int, max_bytes: int, seconds: float, memory: int) -> None:
        self._workers = workers or len(os.sched_getaffinity(0))
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._memory = memory
        self._pool: ReadingPool | None = None

    @contextmanager
    def at_work(self) -> Iterator[ReadFiles]:
        """The function that reads files. Afterwards one process waits for the next run."""
        pool = self._pool or self._opened()
        try:
            yield pool.read
        except BaseException:
            pool.close()
            raise
        pool.rest()

    def close(self) -> None:
        """End all processes."""
        if self._pool is not None:
            self._pool.close()

    def _opened(self) -> ReadingPool:
        from openbook.read.pool import ReadingPool

        self._pool = ReadingPool(
            self._workers, max_bytes=self._max_bytes, seconds=self._seconds, memory=self._memory
        )
        # A library that nobody closes leaves no process behind either.
        weakref.finalize(self, self._pool.close)
        return self._pool

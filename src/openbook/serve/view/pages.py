"""Pages of PDF files as images, and boxes over the characters that were cited.

pdfium draws them, in processes of their own with limits of bytes, seconds and
memory: it is not made for threads, and a hostile file can make it crash, hang
or eat all memory. The processes start with the first page that somebody
looks at and stay warm. A file is only drawn while its bytes are those that
were indexed; else the boxes would be over other words.

Refused: drawing when a file is added (most pages are never looked at), and
images on the disk, which would outlive a document that was removed.
"""

from __future__ import annotations

import json
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from openbook.errors import FileChanged, LimitExceeded, ReadError, UsageError
from openbook.read.pdf import MEDIA_TYPE
from openbook.read.pool import ReadingPool
from openbook.serve.view.page_worker import Box, PageSize
from openbook.types import Document, Mark

T = TypeVar("T")

NARROWEST: Final = 64
WIDEST: Final = 3_000
"""Pixels that a page may be wide."""

_PROCESSES: Final = 2
_SECONDS: Final = 15.0
_CACHE_BYTES: Final = 64_000_000
"""Bytes of images that are kept."""
_CACHE_VALUES: Final = 100_000
"""Sizes and boxes that are kept, a hundred bytes or two each."""
_ANSWER: Final = "openbook.serve.view.page_worker:answer"


@dataclass(frozen=True, slots=True)
class Original:
    """A document's file, and the hash (BLAKE2b-16) that its bytes had when they were indexed."""

    file: Path
    content_hash: bytes


class PageDrawer:
    """Draws pages of PDF files. Thread-safe. `close` ends its processes; a later call starts new ones.

    `max_bytes` limits a file, `seconds` the time for one request (at most 15),
    `memory` the bytes that a process may add to what it starts with.
    """

    def __init__(self, *, max_bytes: int, seconds: float, memory: int) -> None:
        self._idle: queue.LifoQueue[ReadingPool] = queue.LifoQueue()
        self._pools = [
            ReadingPool(
                1,
                max_bytes=max_bytes,
                seconds=min(_SECONDS, seconds),
                memory=memory,
                reader=_ANSWER,
            )
            for _ in range(_PROCESSES)
        ]
        for pool in self._pools:
            self._idle.put(pool)
        self._images = _Cache(_CACHE_BYTES, weigh=len)
        self._values = _Cache(_CACHE_VALUES, weigh=lambda values: 10 + len(values))

    def sizes(self, original: Original) -> tuple[PageSize, ...]:
        """The sizes of all pages. Raises FileChanged, ReadError."""
        sizes: tuple[PageSize, ...] = self._kept(self._values, original, {"want": "sizes"})
        return sizes

    def image(self, original: Original, number: int, width: int) -> bytes:
        """Page `number` (1-based), `width` pixels wide, as PNG; narrower where it is extremely high.

        Raises UsageError for a page or width that cannot be, FileChanged, ReadError.
        """
        if not NARROWEST <= width <= WIDEST:
            raise UsageError(f"A page {width!r} pixels wide; expected {NARROWEST} to {WIDEST}.")
        image: bytes = self._kept(self._images, original, {"want": "image", "page": number, "width": width})
        return image

    def boxes(
        self, original: Original, document: Document, number: int, *, start: int, end: int
    ) -> tuple[Box, ...]:
        """Where the part of document.text[start:end] that is on page `number` is: a box for each line.

        Empty if nothing of it is there, or if its place cannot be told for sure.
        Raises UsageError, FileChanged, ReadError.
        """
        page = page_mark(document, number)
        if page is None or start >= page.end or end <= page.start or start >= end:
            return ()
        wanted = {
            "want": "boxes",
            "page": number,
            "text": document.text[page.start : page.end],
            "start": max(start, page.start) - page.start,
            "end": min(end, page.end) - page.start,
        }
        boxes: tuple[Box, ...] = self._kept(self._values, original, wanted)
        return boxes

    def close(self) -> None:
        """End the processes that are at rest. One that draws ends with what it draws."""
        for _ in self._pools:
            try:
                pool = self._idle.get(timeout=_SECONDS)
            except queue.Empty:
                return
            pool.close()
        for pool in self._pools:
            self._idle.put(pool)

    def _kept(self, cache: _Cache, original: Original, wanted: dict[str, Any]) -> Any:
        try:
            status = original.file.stat()
        except OSError as error:
            raise ReadError(f"The file {original.file.name!r} cannot be read: {error.strerror}.") from error
        request = json.dumps({**wanted, "hash": original.content_hash.hex()})
        asked = blake2b(request.encode("ascii"), digest_size=16).digest()  # it may hold a whole page's text
        key = (str(original.file), status.st_ino, status.st_mtime_ns, status.st_size, asked)
        return cache.get(key, lambda: self._asked(original, request))

    def _asked(self, original: Original, request: str) -> Any:
        pool = self._idle.get()
        try:
            [answer] = pool.read([(request, original.file)])
        finally:
            self._idle.put(pool)
        name = original.file.name
        if answer.error is None:
            return cast("Any", answer.document)
        if answer.content_hash and answer.content_hash != original.content_hash:
            raise FileChanged(
                f"{name!r} has changed since it was indexed, and the pages with it. Its text shows what was; "
                "synchronise to index it anew."
            ) from answer.error
        if isinstance(answer.error, UsageError):
            raise answer.error
        if isinstance(answer.error, LimitExceeded):
            raise LimitExceeded(
                f"{name!r} takes too much time or memory to be drawn. Its text is still here."
            ) from answer.error
        raise ReadError(
            f"{name!r} cannot be drawn: it is damaged, gone or may not be read. Its text is still here."
        ) from answer.error


class _Cache:
    """Values that were used last, up to a weight in all. Thread-safe."""

    def __init__(self, limit: int, *, weigh: Callable[[Any], int]) -> None:
        self._limit = limit
        self._weigh = weigh
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._weight = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of this key, made if it is not there. Two threads may make the same one."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return cast("T", self._values[key])
        value = make()
        with self._lock:
            if key not in self._values:
                self._values[key] = value
                self._weight += self._weigh(value)
            while self._weight > self._limit and self._values:
                _, old = self._values.popitem(last=False)
                self._weight -= self._weigh(old)
        return value


def has_pages(document: Document) -> bool:
    """Whether the pages of a document's file can be drawn."""
    return document.media_type == MEDIA_TYPE


def page_mark(document: Document, number: int) -> Mark | None:
    """The mark of a page; None if the page has no text, or is not there."""
    return next((mark for mark in document.marks if mark.kind == "page" and mark.level == number), None)


def pages_of(document: Document, start: int, end: int) -> tuple[int, ...]:
    """The numbers of the pages that document.text[start:end] is on."""
    return tuple(
        mark.level
        for mark in document.marks
        if mark.kind == "page" and mark.start < max(end, start + 1) and mark.end > start
    )

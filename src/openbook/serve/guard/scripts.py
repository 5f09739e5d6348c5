"""The nonce that a page's own scripts carry, put into HTML as it streams by.

A browser runs no script without it, so a script that got into the page by way
of a document does not run. The pages hold no text of documents as HTML: that
comes later, as data, and is sanitised there.
"""

from __future__ import annotations

import re
from typing import Final

_TAG: Final = b"<script"
_OPENING: Final = re.compile(rb"(<script)(?=[\s>/])", re.IGNORECASE)


class ScriptMarker:
    """Marks the scripts of one page. Feed it blocks of any size, the last with `last`."""

    def __init__(self, nonce: str) -> None:
        self._mark = rb'\1 nonce="' + nonce.encode("ascii") + rb'"'
        self._kept = b""

    def feed(self, block: bytes, *, last: bool) -> bytes:
        """Return what can be sent; the beginning of a tag waits for its rest."""
        data = self._kept + block
        self._kept = b""
        if not last:
            cut = len(data) - _open_end(data)
            data, self._kept = data[:cut], data[cut:]
        return _OPENING.sub(self._mark, data)


def _open_end(data: bytes) -> int:
    """How many bytes at the end may be the beginning of a script's tag."""
    tail = data[-len(_TAG) :].lower()
    for length in range(len(tail), 0, -1):
        if _TAG.startswith(tail[-length:]):
            return length
    return 0

"""Length-prefixed messages over a pipe: the wire between the reading pool and its workers.

Eight bytes of length, then that many bytes. Refused: `multiprocessing`'s
connections, whose import costs more than all the rest of a worker's start.
"""

from __future__ import annotations

import os
import struct

_LENGTH = struct.Struct(">Q")
_PIECE = 1 << 20


def write_frame(descriptor: int, message: bytes) -> None:
    """Write one message. Raises BrokenPipeError when nobody reads any more."""
    for part in (_LENGTH.pack(len(message)), message):
        view = memoryview(part)
        while view:
            view = view[os.write(descriptor, view[:_PIECE]) :]


def read_frame(descriptor: int) -> bytes | None:
    """Read one message; None at the end of the stream, also in the middle of a message."""
    head = _read_exactly(descriptor, _LENGTH.size)
    return None if head is None else _read_exactly(descriptor, _LENGTH.unpack(head)[0])


def _read_exactly(descriptor: int, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = os.read(descriptor, min(_PIECE, size - len(parts)))
        if not part:
            return None
        parts += part
    return bytes(parts)

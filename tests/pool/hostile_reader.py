"""A reader for the pool's workers that does what bad files make parsers do. The file's words say what."""

from __future__ import annotations

import os
import signal
import sys

from openbook.errors import MissingExtra
from openbook.types import Document


def read(data: bytes, path: str) -> Document:
    """Obey the first word of the file; anything else is read as text."""
    command, _, rest = data.decode("utf-8", "replace").partition(" ")
    if command == "exit":
        os._exit(int(rest))
    elif command == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif command == "hang":
        signal.pause()
    elif command == "fill":
        hoard = [bytearray(50_000_000) for _ in range(int(rest))]
        return Document(path, str(len(hoard)), "text/plain")
    elif command == "panic":
        raise BaseException("native code fell over")
    elif command == "extra":
        raise MissingExtra("Reading this", extra="ocr")
    elif command == "print":
        sys.stdout.write("noise on standard output\n")
        sys.stdout.flush()
        os.write(1, b"more noise\n")
    elif command == "grow":
        with open(rest.strip(), "ab") as other:
            other.write(b"x")
    elif command == "pid":
        return Document(path, f"{os.getpid()} {os.getppid()}", "text/plain")
    return Document(path, data.decode("utf-8", "surrogateescape"), "text/plain")

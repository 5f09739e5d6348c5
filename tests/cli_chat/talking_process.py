"""Run as a script: `openbook` with answers that arrive word by word and never end, as of a slow model.

Usage: python talking_process.py ARGUMENTS …; only Ctrl-C ends an answer. Says `waiting` on stderr when all
has arrived that will.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

from openbook.cli import run
from openbook.events import Event, TokenEvent
from openbook.library import Library


def slow(library: Library, question: str, **options: Any) -> Iterator[Event]:
    """Half an answer, and then nothing more."""
    for word in ("It", " eats", " fish", " and", " frogs"):
        yield TokenEvent(word)
    sys.stderr.write("waiting\n")
    sys.stderr.flush()
    threading.Event().wait()


if __name__ == "__main__":
    Library.ask_stream = slow  # type: ignore[method-assign, assignment]
    sys.exit(run(sys.argv[1:]))

"""Text of documents made safe and readable on a terminal.

Documents are data: one that holds escape sequences must not be able to recolour
the screen, rewrite a line or reverse the direction of what follows it.
"""

from __future__ import annotations

import re
from typing import Final

_DIRECTIONS: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Characters that change the direction of the text around them."""

_UNSAFE: Final = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{_DIRECTIONS}]")


def printable(text: str) -> str:
    """Return `text` with control characters shown as escapes; tabs and line ends stay."""
    return _UNSAFE.sub(lambda match: _visible(match.group()), text)


def one_line(text: str) -> str:
    """Return `text` printable and on one line: every run of blanks becomes one space."""
    return " ".join(printable(text).split())


def _visible(character: str) -> str:
    return f"\\x{ord(character):02x}" if ord(character) < 0x100 else f"\\u{ord(character):04x}"

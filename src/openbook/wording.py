"""How texts, numbers and times are written for people, on a terminal and on a page.

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


def count(number: int, noun: str) -> str:
    """Return "1 file", "2,000 files"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """Return a time as people say it: "0.42 s", "7 s", "3 min 5 s"."""
    if seconds < 10:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def size(number: int) -> str:
    """Return a number of bytes as people say it: "812 B", "1.2 MB"."""
    if number < 1000:
        return f"{number} B"
    value = float(number)
    units = ["GB", "MB", "kB"]
    while (value := value / 1000) >= 1000 and len(units) > 1:
        units.pop()
    return f"{value:.1f} {units[-1]}"

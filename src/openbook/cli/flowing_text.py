"""Text of documents laid out for a terminal."""

from __future__ import annotations

import re
from typing import Final

_MEANT_AS_LINE: Final = re.compile(r"\s*(?:[-*+•|>#]\s|[|#]|\d+[.)]\s)")
_FULL_LINE: Final = 60
"""A line of so many characters was probably wrapped where the next one begins."""


def flowing(text: str) -> str:
    """Return `text` with the line ends inside its paragraphs taken out, so that a terminal wraps it anew.

    Lines that mean something as lines stay: lists, tables, headings, quotes, anything indented or fenced.
    """
    lines: list[str] = []
    fenced = joinable = False
    before = ""
    for line in text.splitlines():
        fence = line.lstrip().startswith(("```", "~~~"))
        indented = line.startswith(("  ", "\t")) and len(before) < _FULL_LINE  # code, not wrapped prose
        meant = fenced or fence or indented or not line.strip() or _MEANT_AS_LINE.match(line) is not None
        if joinable and not meant:
            lines[-1] = f"{lines[-1].rstrip()} {line.strip()}"
        else:
            lines.append(line)
        fenced ^= fence
        joinable = (
            not fenced and not fence and bool(line.strip()) and not line.lstrip().startswith(("#", "|"))
        )
        before = line
    return "\n".join(lines)

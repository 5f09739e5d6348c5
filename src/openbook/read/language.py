"""The language of a text, as a two-letter code."""

from __future__ import annotations

import re
from typing import Final

_CODE: Final = re.compile(r"([a-z]{2})(?:[-_].*)?", re.IGNORECASE)


def detect_language(text: str) -> str:
    """ISO 639-1, "" while undetermined."""
    return ""


def language_code(name: str) -> str:
    """The two-letter code in a declared language ("en", "en-GB", "de_AT"); "" for anything else."""
    match = _CODE.fullmatch(name.strip())
    return match.group(1).lower() if match else ""

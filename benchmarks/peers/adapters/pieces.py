"""Pieces of a corpus for the systems that only index what they are given: passages whole, files in pieces."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmarks.peers.adapters.speaking import texts_of

CHARACTERS: Final = 1000
"""The size that most tutorials choose."""


def pieces_of(corpus: Path) -> list[tuple[str, str]]:
    """(name, text) of each passage of a BEIR corpus, and of each piece of a folder's files."""
    found = []
    for name, text in texts_of(corpus):
        found += [(name, piece) for piece in ([text] if corpus.is_file() else paragraphs(text))]
    return found


def paragraphs(text: str) -> list[str]:
    """Neighbouring paragraphs, joined up to 1,000 characters; a longer one stays whole."""
    pieces: list[str] = []
    for paragraph in filter(None, (part.strip() for part in text.split("\n\n"))):
        if pieces and len(pieces[-1]) + len(paragraph) + 2 <= CHARACTERS:
            pieces[-1] += f"\n\n{paragraph}"
        else:
            pieces.append(paragraph)
    return pieces

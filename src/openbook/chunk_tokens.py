"""Where the tokens of a text start, so that the size of any slice is a subtraction.

A text is tokenised once; a chunker that asked the tokenizer again for every
candidate slice would spend most of its time there. Slices that begin and end
at white space have exactly that many tokens; the chunker checks its finished
chunks with the tokenizer itself, so nothing rests on this being exact.

Refused: a tokenizer of our own. Without one, sizes are estimated on the high
side, so that a chunk fits whatever tokenizer comes later.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_WINDOW = 16_384
_ESTIMATED = re.compile(r"[A-Za-z]{1,4}|[0-9]{1,2}|\S")
_LONG_TOKEN = 64
_STEP_IN_LONG_TOKEN = 8


class TokenCounter(Protocol):
    """Counts tokens, and says where they start."""

    def starts(self, text: str) -> list[int]:
        """Character offset of every token's start, ascending."""
        ...

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text, special tokens not counted."""
        ...


class ExactCounter:
    """Counts with the embedder's own tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def starts(self, text: str) -> list[int]:
        """See TokenCounter.

        A word that the vocabulary does not hold can be one token whatever its
        length (WordPiece gives up on long ones). It is counted by its length
        here, or a megabyte of base64 would become one chunk.
        """
        found: list[int] = []
        pieces = windows(text, _WINDOW)
        # One batch, because a batch uses every core.
        encodings = self._tokenizer.encode_batch([piece for _, piece in pieces], add_special_tokens=False)
        for (offset, _), encoding in zip(pieces, encodings, strict=True):
            for start, end in encoding.offsets:
                if end - start > _LONG_TOKEN:
                    found.extend(range(offset + start, offset + end, _STEP_IN_LONG_TOKEN))
                else:
                    found.append(offset + start)
        return found

    def counts(self, texts: Sequence[str]) -> list[int]:
        """See TokenCounter."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding) for encoding in encodings]


class EstimatingCounter:
    """Counts a token for every four letters, two digits or other character.

    English prose comes out about 1.6 times as long as with WordPiece; for
    scripts without an alphabet of their own in the vocabulary it is exact.
    """

    def starts(self, text: str) -> list[int]:
        """See TokenCounter."""
        return [match.start() for match in _ESTIMATED.finditer(text)]

    def counts(self, texts: Sequence[str]) -> list[int]:
        """See TokenCounter."""
        return [sum(1 for _ in _ESTIMATED.finditer(text)) for text in texts]


def windows(text: str, size: int) -> list[tuple[int, str]]:
    """Cut a text into (offset, piece) of about `size` characters, at white space where there is any."""
    if len(text) <= size:
        return [(0, text)] if text else []
    pieces: list[tuple[int, str]] = []
    start = 0
    while start < len(text):
        end = min(start + size, len(text))
        if end < len(text):
            cut = max(text.rfind("\n", start + size // 2, end), text.rfind(" ", start + size // 2, end))
            end = cut + 1 if cut > 0 else end
        pieces.append((start, text[start:end]))
        start = end
    return pieces

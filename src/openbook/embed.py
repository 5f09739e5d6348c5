"""Text to vectors: what every embedder promises, and a fake.

A stage knows only the protocol; which embedder runs is decided by `library.py`
through the registry in `backends`. Queries and documents are told apart in the
call, because several models want different words in front of each.

Refused: a model object that downloads itself when first used (installing is
an explicit act, see `backends.model_store`), vectors of any length (rows are of
unit length everywhere, so that a dot product is a cosine), and a fake that
gives every text the same vector (ranking could not be tested with it).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np

from openbook.errors import UsageError

if TYPE_CHECKING:
    import tokenizers

    from openbook.types import FloatMatrix

Role: TypeAlias = Literal["query", "document"]

_WORD = re.compile(r"\w+")


class Embedder(Protocol):
    """Turns texts into vectors whose dot product is the cosine of their meanings.

    name          for people: "all-MiniLM-L6-v2 (int8)"
    fingerprint   changes whenever a vector of the same text would: weights,
                  pooling, normalisation, precision, dimension, maximum length,
                  prefixes. Vectors with different fingerprints never meet.
    dimension     length of a vector
    max_tokens    tokens, special ones included, beyond which a text is cut off

    An embedder may be used by several threads at once.
    """

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    @property
    def tokenizer(self) -> tokenizers.Tokenizer | None:
        """The tokenizer, truncation and padding off; None where there is none."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text as a whole, special tokens not counted."""
        ...

    def embed(self, texts: Sequence[str], role: Role) -> FloatMatrix:
        """Vectors of `texts`, in their order: shape (len(texts), dimension)."""
        ...


class HashEmbedder:
    """The shipped fake: a bag of lower-cased words, hashed into `dimension` signed sums.

    No model and no download. The same text has the same vector on every
    machine, and texts that share words are nearer than texts that do not; it
    knows nothing of meaning. Made for tests and for a first try without a model.
    """

    max_tokens = 1_000_000
    tokenizer = None

    def __init__(self, dimension: int = 384) -> None:
        if dimension < 1:
            raise UsageError(f"HashEmbedder got dimension {dimension!r}; expected 1 or more.")
        self.dimension = dimension
        self.name = f"hashed words ({dimension})"
        self.fingerprint = f"hash-{dimension}-1"

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Number of words of each text."""
        return [len(_words(text)) for text in texts]

    def embed(self, texts: Sequence[str], role: Role) -> FloatMatrix:
        """Unit rows, shape (len(texts), dimension)."""
        del role  # a word is the same word in a question and in a document
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            # A text without a word still gets a direction, so that every row has unit length.
            for word in _words(text) or [""]:
                place, sign = self._slot(word)
                row[place] += sign
            if not row.any():  # words that cancelled each other out
                row[self._slot("")[0]] = 1.0
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    def _slot(self, word: str) -> tuple[int, float]:
        # Not hash(): it is salted per process.
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        number = int.from_bytes(digest)
        return number % self.dimension, 1.0 if number >> 63 else -1.0


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())

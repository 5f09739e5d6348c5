"""How many tokens a text has for a tokenizer that is not at hand: an estimate on the high side.

A sum over what the text is made of (words and their letters, digits, signs,
line ends, characters of each script), each with a weight. Common English words
count less, which is what tells English, where a word is about a token, from
other languages in Latin letters. Characters of scripts that were not measured
count by their UTF-8 bytes, which no tokenizer exceeds that falls back on bytes.

The weights are a fit with bounds (`scripts/fit_token_estimate.py`): as little
over the true counts as possible, with a heavy price on every sample below one.
There are two sets of them, because vocabularies of 32,000 entries need many
more tokens than those of 100,000 and more; a model of unknown vocabulary gets
the set for small ones.

Refused: characters divided by four, which is 40 % too low for Chinese and for
numbers and too high for prose; and one weight set for all, which is either too
low for small vocabularies or a third too high for large ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_GROUPS: Final = (
    r"[A-Za-z\u00c0-\u024f]+", r"[0-9]+", r"[!-/:-@\[-`{-~]+", r"\n[\n\r]*", r"[ \t]{2,}",
    r"[\u0400-\u052f]+", r"[\u0900-\u097f]+", r"[\u3400-\u9fff]+", r"[\u3040-\u30ff]+", r"[\uac00-\ud7af]+",
    r"[\u2010-\u2027\u2030-\u205e\u3000-\u303f\uff00-\uffef]", r"[^\x00-\x7f]|[\x00-\x08\x0b-\x1f\x7f]",
)  # fmt: skip
_PIECES: Final = re.compile("|".join(_GROUPS))
_KIND: Final = re.compile("|".join(f"({group})" for group in _GROUPS))
_KINDS: Final = {
    2: "digit", 3: "sign", 4: "line end", 5: "blanks", 6: "cyrillic", 7: "devanagari", 8: "han", 9: "kana",
    10: "hangul", 11: "wide sign",
}  # fmt: skip
_FUNCTION_WORDS: Final = frozenset(
    "a about after all also an and any are as at be been but by can could do even first for from had has "
    "have he her him his if in into is it its like made may more most my no not now of on one only or other "
    "our out over said she so some such than that the their them then there these they this time to two up "
    "was we were what when which who will with would you your".split()
)
PARTS: Final = (
    "text", "word", "letter after 4", "letter after 10", "capital", "inner capital", "accent",
    "function word", "digit", "number", "sign", "repeated sign", "line end", "repeated line end", "blanks",
    "repeated blank", "cyrillic", "devanagari", "han", "kana", "hangul", "wide sign", "byte",
)  # fmt: skip
"""What is counted in a text. "text" is 1 for every text: some tokenizers put something in front."""
_MOST_KNOWN: Final = 50_000
_LONGEST_KNOWN: Final = 40


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Tokens for each of `PARTS`. What a piece of text costs is kept, for most words come again."""

    tokens: Mapping[str, float]
    _known: dict[str, float] = field(default_factory=dict, repr=False)

    def cost(self, piece: str) -> float:
        """Tokens of a piece of text that is of one kind: a word, a number, some signs."""
        cost = self._known.get(piece)
        if cost is None:
            cost = sum(self.tokens[name] * amount for name, amount in _parts_of_piece(piece).items())
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            if len(piece) < _LONGEST_KNOWN:
                self._known[piece] = cost
        return cost


LARGE: Final = Weights({
    "text": 2.060, "word": 1.292, "letter after 4": 0.119, "letter after 10": 0.638, "capital": 0.069,
    "inner capital": 0.519, "accent": 2.450, "function word": -0.527, "digit": 0.650, "number": 1.792,
    "sign": 1.036, "repeated sign": 0.921, "line end": 0.556, "repeated line end": 0.000, "blanks": 0.044,
    "repeated blank": 0.015, "cyrillic": 0.737, "devanagari": 1.473, "han": 1.494, "kana": 1.162,
    "hangul": 1.402, "wide sign": 0.337, "byte": 1.030,
})  # fmt: skip
"""Tokens per part for vocabularies of 100,000 entries and more."""
SMALL: Final = Weights({
    "text": 2.060, "word": 1.400, "letter after 4": 0.095, "letter after 10": 0.664, "capital": 0.651,
    "inner capital": 0.528, "accent": 3.090, "function word": -0.618, "digit": 0.635, "number": 1.742,
    "sign": 0.963, "repeated sign": 0.370, "line end": 0.838, "repeated line end": 0.422, "blanks": 0.826,
    "repeated blank": 0.009, "cyrillic": 0.731, "devanagari": 1.447, "han": 1.462, "kana": 1.134,
    "hangul": 1.423, "wide sign": 0.834, "byte": 1.030,
})  # fmt: skip
"""Tokens per part for vocabularies of 32,000 entries, and for those not known."""


def estimate(text: str, weights: Weights = SMALL) -> int:
    """Tokens of a text, at least 1 unless it is empty."""
    if not text:
        return 0
    return max(1, math.ceil(weights.tokens["text"] + sum(map(weights.cost, _PIECES.findall(text)))))


def parts_of(text: str) -> dict[str, int]:
    """How much there is in a text of each of `PARTS`."""
    parts = dict.fromkeys(PARTS, 0)
    parts["text"] = 1
    for piece in _PIECES.findall(text):
        for name, amount in _parts_of_piece(piece).items():
            parts[name] += amount
    return parts


def _parts_of_piece(piece: str) -> dict[str, int]:
    found = _KIND.match(piece)
    kind = found.lastindex if found is not None else None
    if kind == 1:
        return _parts_of_word(piece)
    if kind is None or kind not in _KINDS:
        return {"byte": len(piece.encode("utf-8", "surrogatepass"))}
    name = _KINDS[kind]
    if name == "digit":
        return {"number": 1, "digit": len(piece)}
    if name in {"sign", "line end", "blanks"}:
        different = len(set(piece)) if name == "sign" else 1
        return {name: different, f"repeated {name.removesuffix('s')}": len(piece) - different}
    return {name: len(piece)}


def _parts_of_word(word: str) -> dict[str, int]:
    lower = word.lower()
    return {
        "word": 1,
        "letter after 4": max(len(word) - 4, 0),
        "letter after 10": max(len(word) - 10, 0),
        "capital": int(word[0].isupper()),
        "inner capital": sum(letter.isupper() for letter in word[1:]),
        "accent": sum(letter > "\x7f" for letter in word),
        "function word": int(lower in _FUNCTION_WORDS),
    }

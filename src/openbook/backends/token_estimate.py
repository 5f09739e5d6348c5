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
from types import MappingProxyType
from typing import Final

_PARTS: Final = re.compile(
    r"([A-Za-z\u00c0-\u024f]+)|([0-9]+)|([!-/:-@\[-`{-~]+)|(\n[\n\r]*)|([ \t]{2,})"
    r"|([\u0400-\u052f]+)|([\u0900-\u097f]+)|([\u3400-\u9fff]+)|([\u3040-\u30ff]+)|([\uac00-\ud7af]+)"
    r"|([\u2010-\u2027\u2030-\u205e\u3000-\u303f\uff00-\uffef])|([^\x00-\x7f])|[\x00-\x08\x0b-\x1f\x7f]"
)
_SCRIPTS: Final = {6: "cyrillic", 7: "devanagari", 8: "han", 9: "kana", 10: "hangul", 11: "wide sign"}
_FUNCTION_WORDS: Final = frozenset(
    "a about after all also an and any are as at be been but by can could do even first for from had has "
    "have he her him his if in into is it its like made may more most my no not now of on one only or other "
    "our out over said she so some such than that the their them then there these they this time to two up "
    "was we were what when which who will with would you your".split()
)
PARTS: Final = (
    "text", "word", "letter after 4", "letter after 10", "inner capital", "accent", "function word",
    "digit", "number", "sign", "repeated sign", "line end", "repeated line end", "blanks", "repeated blank",
    "cyrillic", "devanagari", "han", "kana", "hangul", "wide sign", "byte",
)  # fmt: skip
"""What is counted in a text. "text" is 1 for every text: some tokenizers put something in front."""

LARGE: Final[Mapping[str, float]] = MappingProxyType({
    "text": 2.060, "word": 1.280, "letter after 4": 0.124, "letter after 10": 0.632,
    "inner capital": 0.534, "accent": 2.480, "function word": -0.512, "digit": 0.636, "number": 1.792,
    "sign": 1.043, "repeated sign": 0.895, "line end": 0.661, "repeated line end": 0.000, "blanks": 0.000,
    "repeated blank": 0.016, "cyrillic": 0.734, "devanagari": 1.471, "han": 1.485, "kana": 1.162,
    "hangul": 1.392, "wide sign": 0.334, "byte": 1.030,
})  # fmt: skip
"""Tokens per part for vocabularies of 100,000 entries and more."""
SMALL: Final[Mapping[str, float]] = MappingProxyType({
    "text": 2.060, "word": 1.462, "letter after 4": 0.095, "letter after 10": 0.661,
    "inner capital": 0.361, "accent": 3.090, "function word": -0.618, "digit": 0.268, "number": 3.090,
    "sign": 1.056, "repeated sign": 0.959, "line end": 0.308, "repeated line end": 0.583, "blanks": 0.201,
    "repeated blank": 0.052, "cyrillic": 0.716, "devanagari": 1.440, "han": 1.441, "kana": 1.112,
    "hangul": 1.466, "wide sign": 0.860, "byte": 1.030,
})  # fmt: skip
"""Tokens per part for vocabularies of 32,000 entries, and for those not known."""


def estimate(text: str, weights: Mapping[str, float] = SMALL) -> int:
    """Tokens of a text, at least 1 unless it is empty."""
    if not text:
        return 0
    parts = parts_of(text)
    return max(1, math.ceil(sum(weights[name] * amount for name, amount in parts.items())))


def parts_of(text: str) -> dict[str, int]:
    """How much there is in a text of each of `PARTS`."""
    parts = dict.fromkeys(PARTS, 0)
    parts["text"] = 1
    for match in _PARTS.finditer(text):
        piece, kind = match.group(), match.lastindex
        if kind == 1:
            _count_word(piece, parts)
        elif kind == 2:
            parts["number"] += 1
            parts["digit"] += len(piece)
        elif kind in _SCRIPTS:
            parts[_SCRIPTS[kind]] += len(piece)
        elif kind in {3, 4, 5}:
            name = {3: "sign", 4: "line end", 5: "blanks"}[kind]
            different = len(set(piece)) if kind == 3 else 1
            parts[name] += different
            parts[f"repeated {name.removesuffix('s')}"] += len(piece) - different
        else:
            parts["byte"] += len(piece.encode("utf-8", "surrogatepass"))
    return parts


def _count_word(word: str, parts: dict[str, int]) -> None:
    length = len(word)
    parts["word"] += 1
    if length > 4:
        parts["letter after 4"] += length - 4
        parts["letter after 10"] += max(length - 10, 0)
    if not word.islower():
        parts["inner capital"] += sum(letter.isupper() for letter in word[1:])
        word = word.lower()
    if word in _FUNCTION_WORDS:
        parts["function word"] += 1
    if not word.isascii():
        parts["accent"] += sum(letter > "\x7f" for letter in word)

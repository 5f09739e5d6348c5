"""A question's misspelt words, put right by the words that the documents really hold.

A word is taken for a slip only if three signs agree: it occurs nowhere in the
library, the embedder's vocabulary does not hold it as one piece either (so
"puppy" stays, where the documents only speak of dogs), and one edit (a letter
lost, doubled, swapped or wrong; Damerau, "A technique for computer detection
and correction of spelling errors", 1964) leads to a word that both hold. The
most frequent such word wins.

Refused: fuzzy matching of every word, which finds "form" for "from" where both
are meant, and a dictionary, which knows no product names.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Sequence
from typing import Final

SHORTEST: Final = 4
"""Letters below which one edit makes too many other words."""
FEWEST_CHUNKS: Final = 2
"""A word that occurs in one chunk alone may be a slip itself."""

_WORD: Final = re.compile(r"(?<![\w.$:/-])[a-z]+(?![\w.$:/(-])")

Terms = Callable[[str], list[str]]
Frequencies = Callable[[Sequence[str]], list[int]]


def corrections(
    question: str, *, terms: Terms, frequencies: Frequencies, is_word: Callable[[str], bool]
) -> dict[str, str]:
    """Return misspelt words of a question with the words that are probably meant.

    Only words in small letters of the English alphabet are looked at: names,
    code and other scripts are left alone. `terms` analyses a text as the index
    does, `frequencies` counts the chunks that hold each term, `is_word` says
    whether the embedder knows a word as a whole.
    """
    found: dict[str, str] = {}
    for word in dict.fromkeys(_WORD.findall(question)):
        if len(word) < SHORTEST:
            continue
        # The library first: it holds most words, and says so sooner than the embedder.
        own = terms(word)
        if len(own) != 1 or frequencies(own)[0]:
            continue
        if is_word(word) or any(is_word(stem) for stem in _stems(word)):
            continue
        analysed = {edited: terms(edited) for edited in sorted(set(_edits(word))) if is_word(edited)}
        if not all(analysed.values()):
            continue  # a slip for a stop word, which would not be looked for either
        held = {edited: own_terms[0] for edited, own_terms in analysed.items() if len(own_terms) == 1}
        counts = dict(zip(held, frequencies(list(held.values())), strict=True))
        # Of "column" and "columns", which are one term, the one that ends like the typed word.
        right = max(counts, key=lambda c: (counts[c], c[-1:] == word[-1], c), default="")
        if counts.get(right, 0) >= FEWEST_CHUNKS:
            found[word] = right
    return found


def corrected(question: str, replacements: dict[str, str]) -> str:
    """Return the question with these words replaced."""
    return _WORD.sub(lambda match: replacements.get(match[0], match[0]), question)


def _stems(word: str) -> Iterator[str]:
    """What an ending may have been added to: an embedder knows "rent", not always "renting"."""
    for ending in ("s", "es", "d", "ed", "r", "er", "ing", "ly"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= SHORTEST - 1:
            yield stem


def _edits(word: str) -> Iterator[str]:
    """Every string one deletion, swap of neighbours, replacement or insertion away."""
    for cut in range(len(word) + 1):
        before, after = word[:cut], word[cut:]
        if after:
            yield before + after[1:]
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
        for letter in string.ascii_lowercase:
            if after:
                yield before + letter + after[1:]
            yield before + letter + after

"""From characters of a document's text to characters of a PDF page, exactly or not at all.

The reader joins lines, makes words whole that a hyphen had cut, writes tables
with bars and leaves running headers out, but it keeps the order in which
pdfium gives the characters. So the letters and digits of a page's text are a
subsequence of those on the page, and a stretch of them is found by looking
for it, with as much of its surroundings as it takes to be the only one.

Refused: searching for the words as they are written, which fails at every
line end, and a fuzzy search, which finds something near what is missing.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

_AROUND: Final = (0, 8, 20, 60, 200)
"""Letters and digits of the surroundings on each side that are tried, one after the other."""
_NEAR: Final = 4
"""Letters and digits on one side that must agree, also where only the order tells places apart."""
_LARGEST_DIFF: Final = 4_000
"""Words of a page that are aligned with each other at most; this takes quadratic time."""
_MOST_MISSING: Final = 0.02
"""The share of a stretch's letters that may be missing where it had to be pieced together."""


@dataclass(frozen=True, slots=True)
class Letters:
    """Letters and digits, normalised (a ligature is several), each with the place that it is from."""

    text: str
    places: tuple[int, ...]

    @classmethod
    def of(cls, characters: Iterable[str]) -> Letters:
        """Of a string, or of strings with one or no character each, as pdfium counts them."""
        letters: list[str] = []
        places: list[int] = []
        for place, character in enumerate(characters):
            for part in unicodedata.normalize("NFKC", character):
                if part.isalnum():
                    letters.append(part)
                    places.append(place)
        return cls("".join(letters), tuple(places))

    def within(self, start: int, end: int) -> tuple[int, int]:
        """[first, last) of the letters that come from the characters [start, end)."""
        return bisect_left(self.places, start), bisect_left(self.places, end)


def placed(page: Sequence[str], text: str, start: int, end: int) -> list[int]:
    """The indexes into `page` (pdfium's characters) of text[start:end], in order; empty if not certain.

    `text` is the document's text of that page.
    """
    on_page, written = Letters.of(page), Letters.of(text)
    first, last = written.within(max(start, 0), min(end, len(text)))
    if first >= last:
        return []
    found = _only_place(on_page.text, written.text, first, last)
    if found is not None:
        letters = range(found, found + last - first)
        ends = on_page.places[letters[0]], on_page.places[letters[-1]]
        inside = [place for place in range(ends[0], ends[1] + 1) if page[place].strip()]
        head = text[max(start, 0) : written.places[first]][::-1]
        tail = text[written.places[last - 1] + 1 : end]
        return [
            *reversed(_punctuation(page, range(ends[0] - 1, -1, -1), head)),
            *inside,
            *_punctuation(page, range(ends[1] + 1, len(page)), tail),
        ]
    return _pieced_together(on_page, written, first, last)


def _only_place(page: str, text: str, first: int, last: int) -> int | None:
    """Where the letters text[first:last] begin on the page, if that is certain."""
    stretch = text[first:last]
    for around in _AROUND:
        before, behind = text[max(first - around, 0) : first], text[last : last + around]
        for left, right in ((before, behind), (before, ""), ("", behind)):
            if (around or not left) and (count := _count(page, left + stretch + right)) == 1:
                return page.index(left + stretch + right) + len(left)
            if not around and count == 0:
                return None
    # The same words in the same surroundings, again and again: the order decides, if both have all of them.
    places = _all_places(page, stretch)
    written = _all_places(text, stretch)
    if len(places) != len(written) or first not in written:
        return None
    place = places[written.index(first)]
    before, behind = text[max(first - _NEAR, 0) : first], text[last : last + _NEAR]
    near = page[:place].endswith(before) or page[place + last - first :].startswith(behind)
    return place if near else None


def _count(page: str, wanted: str) -> int:
    """0, 1 or 2 for more; places that overlap count."""
    place = page.find(wanted)
    if place < 0:
        return 0
    return 1 if page.find(wanted, place + 1) < 0 else 2


def _all_places(text: str, wanted: str) -> list[int]:
    places, place = [], text.find(wanted)
    while place >= 0:
        places.append(place)
        place = text.find(wanted, place + 1)
    return places


def _punctuation(page: Sequence[str], places: Iterable[int], wanted: str) -> list[int]:
    """The places of what a stretch has beyond its letters (a full stop), as far as the page has it."""
    left = "".join(wanted.split())
    found: list[int] = []
    for place in places:
        if not page[place].strip():
            continue
        if not left.startswith(page[place]):
            break
        found.append(place)
        left = left[len(page[place]) :]
    return found


def _pieced_together(on_page: Letters, written: Letters, first: int, last: int) -> list[int]:
    """The stretch where the page has something else between its parts; nearly all of it, or nothing."""
    if len(on_page.text) > 8 * _LARGEST_DIFF or len(written.text) > 8 * _LARGEST_DIFF:
        return []
    ours, theirs = _words(written), _words(on_page)
    if max(len(ours), len(theirs)) > _LARGEST_DIFF:
        return []
    pairs: dict[int, int] = {}
    matcher = SequenceMatcher(None, [one[0] for one in ours], [one[0] for one in theirs], autojunk=False)
    for _, low, high, other_low, other_high in matcher.get_opcodes():
        here, there = ours[low:high], theirs[other_low:other_high]
        if not here or not there:
            continue
        one, other = "".join(word for word, _ in here), "".join(word for word, _ in there)
        # A word that is cut on the page and whole in the text has the same letters.
        shared = [(0, 0, len(one))] if one == other else _shared(one, other)
        for start, other_start, size in shared:
            for step in range(size):
                pairs[here[0][1] + start + step] = there[0][1] + other_start + step
    letters = [pairs[place] for place in range(first, last) if place in pairs]
    if len(letters) < (1 - _MOST_MISSING) * (last - first):
        return []
    return list(dict.fromkeys(on_page.places[letter] for letter in letters))


def _shared(one: str, other: str) -> list[tuple[int, int, int]]:
    """What two short strings of letters have in common, in order: (start, start in the other, size)."""
    if len(one) * len(other) > _LARGEST_DIFF**2:
        return []
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return [(block.a, block.b, block.size) for block in matcher.get_matching_blocks() if block.size > 2]


def _words(letters: Letters) -> list[tuple[str, int]]:
    """Runs of letters that come from neighbouring characters, each with where it begins."""
    words: list[tuple[str, int]] = []
    start = 0
    for place in range(1, len(letters.text) + 1):
        ended = place == len(letters.text) or letters.places[place] > letters.places[place - 1] + 1
        if ended:
            words.append((letters.text[start:place], start))
            start = place
    return words

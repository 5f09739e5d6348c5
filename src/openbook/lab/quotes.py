"""Does a stretch of a document contain a quote?

The rule, exactly: runs of white space count as one blank, in the document and
in the quote. A span of the document *contains* a quote if it covers at least
half of the quote's characters, at one of the places where the quote stands.
Half is enough because a quote may lie across the border of two chunks, and
then either of them is a right answer.
"""

from __future__ import annotations

from bisect import bisect_left


class NormalisedText:
    """A document's text with every run of white space as one blank, and the way back."""

    def __init__(self, text: str) -> None:
        self._offsets: list[int] = []
        """For every character of `text`, where it came from."""
        characters: list[str] = []
        for offset, character in enumerate(text):
            if not character.isspace():
                characters.append(character)
            elif characters and characters[-1] != " ":
                characters.append(" ")
            else:
                continue
            self._offsets.append(offset)
        self.text = "".join(characters)

    def places(self, quote: str) -> list[tuple[int, int]]:
        """Return the spans of the normalised text that are the quote."""
        wanted = " ".join(quote.split())
        spans: list[tuple[int, int]] = []
        start = self.text.find(wanted) if wanted else -1
        while start >= 0:
            spans.append((start, start + len(wanted)))
            start = self.text.find(wanted, start + 1)
        return spans

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the normalised span of the document's characters start to end."""
        return bisect_left(self._offsets, start), bisect_left(self._offsets, end)


def covers(normalised: NormalisedText, start: int, end: int, quote: str) -> bool:
    """Whether the document's characters start to end contain at least half of the quote."""
    first, last = normalised.span(start, end)
    return any(
        2 * (min(last, place_end) - max(first, place_start)) >= place_end - place_start
        for place_start, place_end in normalised.places(quote)
    )


def normalise(text: str) -> str:
    """Return `text` with every run of white space as one blank and none at the ends."""
    return " ".join(text.split())

"""Hits → numbered evidence: merged where they meet, cut to a measured budget.

What is left out is said in words, because an answer is only as complete as
what its generator was shown. Refused: silently truncating the last piece in
the middle of a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from openbook.answer.sentences import split_sentences
from openbook.types import Evidence, Hit

CountTokens: TypeAlias = Callable[[Sequence[str]], list[int]]
FileOf: TypeAlias = Callable[[Hit], "Path | None"]
ReadText: TypeAlias = Callable[[int, int, int], str]

_GAP = 40
_FRAGMENT_WORDS = 8


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some hits of one document that meet, led by the best of them."""

    best: Hit
    start: int
    end: int
    text: str


def gather_evidence(
    hits: Sequence[Hit],
    *,
    budget_tokens: int,
    count_tokens: CountTokens,
    file_of: FileOf | None = None,
    read_text: ReadText | None = None,
) -> tuple[tuple[Evidence, ...], tuple[str, ...]]:
    """Evidence numbered from 1 in the order of the hits, and notes on what was left out.

    Hits of one document and page that overlap, touch or have at most a few
    characters between them become one piece; `read_text(document_id, start,
    end)` gives the characters between, and without it only those that overlap
    or touch are merged. Pieces are taken in order while `count_tokens` says
    that they fit into `budget_tokens`; the first is cut at a sentence if it
    does not fit by itself. `file_of` gives the file that a hit's document
    came from, for links; None where there is none.
    """
    pieces = _merged(hits, read_text)
    counts = count_tokens([piece.text for piece in pieces]) if pieces else []
    taken: list[_Piece] = []
    left_out: list[_Piece] = []
    notes: list[str] = []
    room = budget_tokens
    for piece, count in zip(pieces, counts, strict=True):
        if not taken and count > room:
            piece = _cut(piece, room, count_tokens)
            count = count_tokens([piece.text])[0]
            notes.append(f"Of {_named(piece)} only the beginning fitted into {budget_tokens:,} tokens.")
        elif count > room:
            left_out.append(piece)
            continue
        taken.append(piece)
        room -= count
    if left_out:
        names = ", ".join(dict.fromkeys(_named(piece) for piece in left_out))
        notes.append(
            f"{len(left_out)} of {len(pieces)} places found were left out"
            f" to stay within {budget_tokens:,} tokens: {names}."
        )
    evidence = tuple(_evidence(number, piece, file_of) for number, piece in enumerate(taken, start=1))
    return evidence, tuple(notes)


def _merged(hits: Sequence[Hit], read_text: ReadText | None) -> list[_Piece]:
    pieces: list[_Piece] = []
    for hit in hits:
        piece = _Piece(hit, hit.start, hit.end, hit.text)
        place = len(pieces)
        # A hit can close the gap between two pieces, so it is tried against all of them.
        for index in range(len(pieces) - 1, -1, -1):
            if (joined := _joined(pieces[index], piece, read_text)) is not None:
                piece, place = joined, index
                del pieces[index]
        pieces.insert(place, piece)
    return pieces


def _joined(one: _Piece, other: _Piece, read_text: ReadText | None) -> _Piece | None:
    """Both as one piece, led by `one`; None where they are apart."""
    if (one.best.document_id, one.best.page) != (other.best.document_id, other.best.page):
        return None
    first, second = sorted((one, other), key=lambda piece: (piece.start, -piece.end))
    gap = second.start - first.end
    if gap > (0 if read_text is None else _GAP):
        return None
    between = ""
    if gap > 0 and read_text is not None:
        between = read_text(one.best.document_id, first.end, second.start)
    text = first.text + between + second.text[max(-gap, 0) :]
    return _Piece(one.best, first.start, max(first.end, second.end), text)


def _cut(piece: _Piece, room: int, count_tokens: CountTokens) -> _Piece:
    """The beginning of a piece, ended at the last sentence (or else character) that fits."""
    ends = [end for _, end in split_sentences(piece.text)]
    if not ends or count_tokens([piece.text[: ends[0]]])[0] > room:
        ends = list(range(1, len(piece.text) + 1))
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high) // 2
        if count_tokens([piece.text[: ends[middle]]])[0] <= room:
            low = middle + 1
        else:
            high = middle
    text = piece.text[: ends[max(low - 1, 0)]].rstrip() or piece.text[:1]
    return replace(piece, end=piece.start + len(text), text=text)


def _evidence(number: int, piece: _Piece, file_of: FileOf | None) -> Evidence:
    hit = piece.best
    return Evidence(
        number=number,
        path=hit.path,
        document_id=hit.document_id,
        start=piece.start,
        end=piece.end,
        page=hit.page,
        heading=hit.heading,
        text=piece.text,
        score=hit.score,
        title=hit.title,
        place=hit.place,
        url=link(file_of(hit) if file_of is not None else None, page=hit.page, text=piece.text),
    )


def link(file: Path | None, *, page: int | None, text: str) -> str:
    """A `file:` link that opens as near to the place as the format allows; "" without a file.

    PDF viewers take a page number, browsers the words to scroll to.
    """
    if file is None:
        return ""
    url = file.absolute().as_uri()
    suffix = file.suffix.lower()
    if suffix == ".pdf" and page is not None:
        return f"{url}#page={page}"
    if suffix in (".html", ".htm", ".xhtml"):
        line = next((line for line in text.splitlines() if line.strip()), "")
        words = " ".join(line.split()[:_FRAGMENT_WORDS])
        # A hyphen would be read as a mark of the fragment's own syntax.
        return f"{url}#:~:text={quote(words, safe='').replace('-', '%2D')}" if words else url
    return url


def _named(piece: _Piece) -> str:
    return f"{piece.best.path} ({piece.best.place})" if piece.best.place else piece.best.path

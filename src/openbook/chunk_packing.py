"""Which of the possible cuts to make: the cheapest way to fill chunks.

A shortest path over the candidate breaks, as a typesetter breaks lines: a
chunk costs the square of the room it leaves unused, plus the cost of its
break, plus a price for every heading inside it. So a section is cut into
equal parts rather than into full ones and a crumb, and a tiny section joins
its neighbour when, and only when, that is the better of the two.

Refused: filling chunks from the front and repairing the last two. It needs
three special cases for what falls out of one sum here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FORBIDDEN = float("inf")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place where a chunk may start.

    `before` is the number of tokens of the text in front of it; `head` the
    tokens of the context that a chunk starting here carries; `cost` the price
    of a cut here; `crossing` the price of a chunk that runs over this place
    (0 but at headings, FORBIDDEN where no chunk may).
    """

    before: int
    head: int
    cost: float
    crossing: float


def pack(candidates: Sequence[Candidate], total: int, max_tokens: int) -> list[int]:
    """Indices of the candidates at which the chunks of the cheapest partition start.

    `total` is the number of tokens of the whole text. The first candidate
    always starts a chunk. A stretch between neighbouring candidates that does
    not fit becomes a chunk by itself, too large; the caller cuts it finer.
    Linear in the number of candidates times the candidates per chunk.
    """
    count = len(candidates)
    befores = [candidate.before for candidate in candidates] + [total]
    heads = [candidate.head for candidate in candidates]
    crossings = [candidate.crossing for candidate in candidates]
    best = [0.0] * (count + 1)
    origin = [0] * (count + 1)
    for stop in range(1, count + 1):
        cheapest, chosen = FORBIDDEN, stop - 1
        crossed = 0.0
        for start in range(stop - 1, -1, -1):
            size = befores[stop] - befores[start]
            if size + heads[start] <= max_tokens:
                unused = 1.0 - (size + heads[start]) / max_tokens
                price = best[start] + unused * unused + crossed
                if price < cheapest:
                    cheapest, chosen = price, start
            elif size > max_tokens:
                break
            crossed += crossings[start]
            if crossed == FORBIDDEN:
                break
        if cheapest == FORBIDDEN:
            cheapest = best[stop - 1] + 1.0
        best[stop] = cheapest + (candidates[stop].cost if stop < count else 0.0)
        origin[stop] = chosen
    starts: list[int] = []
    stop = count
    while stop > 0:
        stop = origin[stop]
        starts.append(stop)
    return starts[::-1]

"""How much of a question stands in a chunk's title and headings, and what that adds to its score.

These words are in both indexes already, as a part of the chunk's text. Where a
library's titles say more than its texts, `title_weight` t counts them once more:

    share(chunk)   Σ rarity of the question's terms in its title and headings / Σ rarity of all its terms
    score          (1 - t) · fused score + t · share

with rarity as BM25 has it. It is computed for the candidates that words and
vectors have proposed, from what the ledger holds of them, so that no index
holds it and a weight of 0, the default, costs nothing.

Refused: a second field of titles in the lexical index, for which every library
would have to be indexed anew; and finding chunks by their title alone, which the
words leg does already.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from openbook.index import analysis

if TYPE_CHECKING:
    from openbook.index.ledger import Ledger
    from openbook.index.lexical import LexicalIndex
    from openbook.retrieve import Candidate, Request


def title_shares(
    ledger: Ledger, lexical: LexicalIndex, request: Request, chunk_ids: Sequence[int]
) -> dict[int, float]:
    """The share (0 to 1) of the question in each chunk's title and headings; chunks without any are left out.

    Terms that no chunk of the library holds do not count, and those of earlier questions count as
    much as in the search by words.
    """
    rarity = _rarity(lexical, request)
    total = sum(rarity.values())
    if total <= 0:
        return {}
    of_title: dict[tuple[str, str], float] = {}
    shares = {}
    for chunk_id, title in ledger.titles_of_chunks(chunk_ids).items():
        if title not in of_title:
            context, language = title
            held = _terms(context, language)
            of_title[title] = sum(value for term, value in rarity.items() if term in held) / total
        if of_title[title] > 0:
            shares[chunk_id] = of_title[title]
    return shares


def with_titles(
    ranking: Sequence[Candidate], shares: Mapping[int, float], weight: float, *, limit: int | None = None
) -> list[Candidate]:
    """The best `limit` (None: all) by their scores with the shares of their titles; ties by chunk id."""
    rest = 1.0 - weight
    scored = sorted(
        (-(rest * one.score + weight * shares.get(one.chunk_id, 0.0)), one.chunk_id, place)
        for place, one in enumerate(ranking)
    )
    return [
        replace(
            ranking[place],
            score=-negative,
            from_cosine=rest * ranking[place].from_cosine,
            from_words=rest * ranking[place].from_words,
            from_title=weight * shares.get(chunk_id, 0.0),
        )
        for negative, chunk_id, place in scored[:limit]
    ]


@lru_cache(maxsize=4096)
def _terms(title: str, language: str) -> frozenset[str]:
    """Kept, because the same titles are proposed for many questions."""
    return frozenset(analysis.analysis_of(language).terms(title))


def _rarity(lexical: LexicalIndex, request: Request) -> dict[str, float]:
    """The question's terms with what each counts: its inverse document frequency, times its weight."""
    weights = dict.fromkeys(analysis.question_terms(request.question, lexical.languages), 1.0)
    for text, weight in request.earlier:
        for term in analysis.question_terms(text, lexical.languages):
            weights[term] = max(weight, weights.get(term, 0.0))
    counts = lexical.frequencies(list(weights))
    return {
        term: weight * math.log(1 + (lexical.count - count + 0.5) / (count + 0.5))
        for (term, weight), count in zip(weights.items(), counts, strict=True)
        if count > 0
    }

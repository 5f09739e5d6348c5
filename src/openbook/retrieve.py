"""Question → hits: both indexes are searched, their scores fused, neighbours merged.

Fusion is a convex combination of scores, `w·cosine + (1-w)·bm25/max(bm25)`,
over the union of both legs' candidates, every candidate scored by both (Bruch,
Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2023).
Refused: reciprocal rank fusion, which forgets how good a match is and lost to
its own dense leg on conversational questions (design, section 3).

The order of work is: two candidate lists, one fused ranking of chunks, exact
copies collapsed into the best-ranked one, at most N chunks per document where
asked, adjoining chunks merged into one hit, the first k hits. Reading never
writes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from heapq import nsmallest
from typing import TYPE_CHECKING, Final, TypeAlias

from openbook.types import Exchange, Hit, Legs, Location

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    from numpy.typing import NDArray

    from openbook.follow_up import Blend
    from openbook.index.ledger import Ledger
    from openbook.index.lexical import LexicalIndex
    from openbook.index.records import ChunkRecord
    from openbook.index.vectors import Rows, VectorIndex
    from openbook.types import FloatMatrix

    EmbedTexts: TypeAlias = Callable[[Sequence[str]], FloatMatrix]

_NOISE: Final = 1e-3
"""The same chunk's BM25 in two queries differs by less: only the order of a sum of float32 does."""
MERGED_CHUNKS = 3
"""A hit never grows over this many chunks: a citation must stay a place, not a chapter."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. `within` restricts the search to these (sorted) chunk ids.

    `earlier` holds earlier questions of a conversation, each with what its
    words count beside the question's own, and `vector` is the question's unit
    vector where it is known already: see `Retriever.blend`. `title_weight` is
    what titles and headings count besides: see `openbook.titles`.
    """

    question: str
    k: int = 8
    candidates: int = 200
    cosine_weight: float = 0.8
    per_document: int | None = None
    within: NDArray[np.int64] | None = None
    explain: bool = False
    earlier: tuple[tuple[str, float], ...] = ()
    vector: NDArray[np.float32] | None = None
    title_weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that at least one leg proposed, with both legs' scores, ranks and parts of `score`."""

    chunk_id: int
    score: float
    ranks: Legs[int | None]
    scores: Legs[float | None]
    from_cosine: float
    from_words: float
    from_title: float = 0.0


@dataclass(frozen=True, slots=True)
class LateWords:
    """BM25 of chunks that the words leg did not list: `most` at most, and exactly when `of` is asked.

    Each chunk that is looked up costs as much as a hundredth of embedding the
    question, and few that the words did not list can come among the best.
    """

    most: float
    of: Callable[[Sequence[int]], Mapping[int, float]]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The union of both legs' lists: BM25 and cosine by chunk id, and each leg's ranks.

    `best_words` is the question's highest BM25 score. `cosines` is None when
    only words were searched. `titles` holds shares of the question in titles where these have a weight.
    `late` knows BM25 of those that are in `cosines` alone; None where they hold none of the words.
    """

    words: Mapping[int, float]
    cosines: Mapping[int, float] | None
    best_words: float
    ranks: Legs[Mapping[int, int]]
    titles: Mapping[int, float] | None = None
    late: LateWords | None = None


class Retriever:
    """Searches one library's indexes. Holds no state of its own."""

    def __init__(self, ledger: Ledger, lexical: LexicalIndex, vectors: VectorIndex | None) -> None:
        self._ledger = ledger
        self._lexical = lexical
        self._vectors = vectors

    def blend(self, request: Request, history: Sequence[Exchange], embed: EmbedTexts | None) -> Blend:
        """What to search for where a question was asked after others, oldest first.

        Its `words` and `vector` belong into the request.
        """
        # Imported here, because most searches are no follow-ups and start sooner without it.
        from openbook.follow_up import Blend, blend, follow_up

        languages = self._lexical.languages
        language = languages[0] if languages else ""
        asked = follow_up(request.question, history, lambda text: self._lexical.content_words(text, language))

        def nearest(vector: NDArray[np.float32]) -> float | None:
            return None if self._vectors is None else self._vectors.nearest(vector, within=request.within)

        return Blend() if asked is None else blend(asked, embed, nearest)

    def search(self, request: Request, embed: EmbedTexts | None) -> list[Hit]:
        """Return at most `request.k` hits, best first.

        `embed` gives unit rows of texts and is called at most once, while the
        words are looked up; None searches by words alone.
        """
        candidates = self._candidates(request, embed)
        if request.title_weight > 0:
            candidates = self._with_titles(candidates, request)
        groups, records = grouped(candidates, request, self._ledger.chunks)
        hits = [self._hit(members, records, request) for members in groups]
        return self._with_locations(hits, records, request)

    def _candidates(self, request: Request, embed: EmbedTexts | None) -> Candidates:
        """What either leg proposes, scored by both. The legs run side by side."""
        limit = max(request.candidates, request.k)
        vectors = self._vectors if embed is not None or request.vector is not None else None
        words_leg = _side_by_side().submit(self._words_leg, request, limit, vectors)
        semantic: list[tuple[int, float]] = []
        vector = request.vector
        if vector is None and embed is not None:
            vector = embed([request.question])[0]
        if vector is not None and vectors is not None:
            semantic = vectors.search(vector, limit=limit, within=request.within)
        lexical, rows = words_leg.result()
        cosines = dict(semantic)
        if vector is not None and rows is not None:
            cosines = rows.cosines(vector) | cosines
        late = None
        if len(lexical) >= limit:  # else all chunks that hold any of the words are listed
            of = partial(self._lexical.scores, request.question, earlier=request.earlier)
            late = LateWords(lexical[-1][1] + _NOISE, of)
        return Candidates(
            dict(lexical),
            cosines if semantic else None,
            best_words=lexical[0][1] if lexical else 0.0,
            ranks=Legs(_ranks(lexical), _ranks(semantic)),
            late=late,
        )

    def _with_titles(self, candidates: Candidates, request: Request) -> Candidates:
        from openbook.titles import title_shares

        found = sorted({*candidates.words, *(candidates.cosines or ())})
        return replace(candidates, titles=title_shares(self._ledger, self._lexical, request, found))

    def _words_leg(
        self, request: Request, limit: int, vectors: VectorIndex | None
    ) -> tuple[list[tuple[int, float]], Rows | None]:
        """What the words find, and its rows of the vector index: read while the question is embedded."""
        lexical = self._lexical.search(
            request.question, limit=limit, within=request.within, earlier=request.earlier
        )
        for language in self._lexical.languages[:1]:
            # What the hits will be compared with is kept; here it delays nothing.
            self._lexical.matched_words(request.question, "", language)
        return lexical, None if vectors is None else vectors.rows([chunk_id for chunk_id, _ in lexical])

    def _hit(self, members: Sequence[Candidate], records: Mapping[int, ChunkRecord], request: Request) -> Hit:
        best = members[0]
        record = records[best.chunk_id]
        spans = [records[member.chunk_id] for member in members]
        start, end = min(span.start for span in spans), max(span.end for span in spans)
        text = record.text if len(spans) == 1 else self._ledger.text(record.document_id, start, end)
        return Hit(
            path=record.path,
            document_id=record.document_id,
            chunk_id=best.chunk_id,
            start=start,
            end=end,
            page=record.page,
            heading=record.heading,
            text=text,
            score=best.score,
            ranks=best.ranks,
            scores=best.scores,
            title=record.title,
            place=record.place,
            context=record.context,
            matched=self._lexical.matched_words(request.question, text, record.language),
            explanation=_parts(best) if request.explain else {},
        )

    def _with_locations(
        self, hits: list[Hit], records: Mapping[int, ChunkRecord], request: Request
    ) -> list[Hit]:
        """List, for every hit, the other places of exactly the same chunk text."""
        hashes = {hit.chunk_id: records[hit.chunk_id].plain_hash for hit in hits}
        copies = self._ledger.duplicates(list(hashes.values()))
        others = {
            chunk_id: [other for other in copies.get(digest, ()) if other != chunk_id]
            for chunk_id, digest in hashes.items()
        }
        if request.within is not None:
            allowed = set(request.within.tolist()) if any(others.values()) else set()
            others = {key: [i for i in ids if i in allowed] for key, ids in others.items()}
        if not any(others.values()):
            return hits
        found = self._ledger.chunks(sorted({i for ids in others.values() for i in ids}))
        return [
            replace(hit, locations=tuple(_location(found[i]) for i in others[hit.chunk_id] if i in found))
            for hit in hits
        ]


def grouped(
    candidates: Candidates, request: Request, read: Callable[[Sequence[int]], Mapping[int, ChunkRecord]]
) -> tuple[list[list[Candidate]], Mapping[int, ChunkRecord]]:
    """The chunks of each hit, best hit first and best chunk first, and the records of all chunks looked at.

    `read` returns chunks by id; it is asked once for each.
    """
    records: dict[int, ChunkRecord] = {}
    groups: list[list[Candidate]] = []
    # Few candidates are looked at closely, and more only if copies, merges or limits used those up.
    for window in (request.k + 4, 3 * request.k + 8, None):
        if candidates.titles is None:
            chosen = fuse(candidates, weight=request.cosine_weight, limit=window)
        else:
            chosen = _fused_with_titles(candidates, candidates.titles, request, window)
        records |= read([c.chunk_id for c in chosen if c.chunk_id not in records])
        distinct = _distinct(chosen, records, request.per_document)
        groups = _merge_neighbours(distinct, records, request.k, merge=request.per_document is None)
        if len(groups) == request.k:
            break
    return groups, records


def fuse(candidates: Candidates, *, weight: float, limit: int | None = None) -> list[Candidate]:
    """The best `limit` (None: all) by `weight`·cosine + (1-`weight`)·BM25/best BM25, ties by chunk id.

    A chunk that has no vector yet counts as the least similar candidate, so
    that it can neither win nor vanish because of its missing vector. BM25 that
    is not known yet is looked up for those alone that it might lift among the best.
    """
    words, cosines = candidates.words, candidates.cosines
    share = weight if cosines is not None else 0.0
    scale = (1.0 - share) / candidates.best_words if candidates.best_words > 0 else 0.0
    known: Mapping[int, float] = cosines if cosines is not None else {}
    floor = min(known.values(), default=0.0)
    # Plain tuples until it is known which few are wanted: there are hundreds, in every search.
    scored = [(-(share * cosine + scale * words.get(i, 0.0)), i) for i, cosine in known.items()]
    scored += [(-(share * floor + scale * found), i) for i, found in words.items() if i not in known]
    best = sorted(scored) if limit is None else nsmallest(limit, scored)
    if candidates.late is not None:
        bar = -best[-1][0] if len(best) == limit else -math.inf
        most = scale * candidates.late.most
        late = candidates.late.of(
            [i for i, cosine in known.items() if i not in words and share * cosine + most >= bar]
        )
        # Words can only lift a chunk, so that nothing comes among the best that is in neither of the two.
        words = {**words, **late}
        best = [pair for pair in best if pair[1] not in late]
        best = sorted(best + [(-(share * known[i] + scale * late[i]), i) for i in late])[:limit]
    ranks = candidates.ranks
    return [
        Candidate(
            chunk_id,
            -negative,
            Legs(ranks.lexical.get(chunk_id), ranks.vector.get(chunk_id)),
            Legs(words.get(chunk_id, 0.0), known.get(chunk_id)),
            from_cosine=share * known.get(chunk_id, floor),
            from_words=scale * words.get(chunk_id, 0.0),
        )
        for negative, chunk_id in best
    ]


def _fused_with_titles(
    candidates: Candidates, titles: Mapping[int, float], request: Request, limit: int | None
) -> list[Candidate]:
    from openbook.titles import with_titles

    everything = fuse(candidates, weight=request.cosine_weight)
    return with_titles(everything, titles, request.title_weight, limit=limit)


@lru_cache(maxsize=1)
def _side_by_side() -> ThreadPoolExecutor:
    """The threads that look up words while the question is embedded; made by the first search."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(4, "openbook-words")


def _distinct(
    ranking: Sequence[Candidate], records: Mapping[int, ChunkRecord], per_document: int | None
) -> list[Candidate]:
    """Drop vanished chunks, exact copies of better ones, and what is over a document's limit."""
    seen: set[bytes] = set()
    taken: dict[int, int] = {}
    kept = []
    for candidate in ranking:
        record = records.get(candidate.chunk_id)
        if record is None or record.plain_hash in seen:
            continue
        if per_document is not None and taken.get(record.document_id, 0) >= per_document:
            continue
        seen.add(record.plain_hash)
        taken[record.document_id] = taken.get(record.document_id, 0) + 1
        kept.append(candidate)
    return kept


def _merge_neighbours(
    ranking: Sequence[Candidate], records: Mapping[int, ChunkRecord], k: int, *, merge: bool
) -> list[list[Candidate]]:
    """Group chunks that adjoin in their document; the best member leads its group.

    Pages, sheets and slides are never merged across, so that a hit keeps one place.
    """
    groups: list[list[Candidate]] = []
    at: dict[tuple[int, int], list[Candidate]] = {}
    for candidate in ranking:
        record = records[candidate.chunk_id]
        group = None
        if merge:
            for position in (record.position - 1, record.position + 1):
                near = at.get((record.document_id, position))
                if (
                    near is not None
                    and len(near) < MERGED_CHUNKS
                    and records[near[0].chunk_id].page == record.page
                ):
                    group = near
                    break
        if group is None:
            if len(groups) == k:
                break
            group = []
            groups.append(group)
        group.append(candidate)
        at[record.document_id, record.position] = group
    return groups


def _parts(candidate: Candidate) -> dict[str, float]:
    parts = {"cosine": candidate.from_cosine, "words": candidate.from_words}
    return parts | {"title": candidate.from_title} if candidate.from_title else parts


def _ranks(scored: Sequence[tuple[int, float]]) -> dict[int, int]:
    return {chunk_id: rank for rank, (chunk_id, _) in enumerate(scored, start=1)}


def _location(record: ChunkRecord) -> Location:
    return Location(
        record.path,
        record.document_id,
        record.id,
        record.start,
        record.end,
        record.page,
        record.place,
    )

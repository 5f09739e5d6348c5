"""What every configuration of a search would find, from scores that are computed once.

The words of each question are looked up once and its vector is made once. From
them follows, without another search, what any weight of the two, any number of
candidates, any weight of the surroundings and any adapter would find: fusing
and grouping are those of the search itself (`openbook.retrieve`), the nearest
vectors are found exactly, from the plain vectors of the ledger.

Measured is nDCG@10 of each question (Järvelin and Kekäläinen 2002, gains as
graded), over documents by their best chunk or over hits that hold a gold place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.errors import UsageError
from openbook.index.surroundings import mix
from openbook.lab.judging import Judge, is_file
from openbook.lab.labelled_sets import Question
from openbook.retrieve import Candidates, Request, grouped
from openbook.titles import title_shares
from openbook.types import Hit, Legs, Location, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.adapting import Adapter
    from openbook.index.records import ChunkRecord
    from openbook.lab.tuning_questions import Asked
    from openbook.library import Library
    from openbook.retrieve import Candidate

    Floats = NDArray[np.float64]

PAGE: Final = 10
DEEPEST: Final = 400
"""Candidates of each leg that are kept; no configuration asks for more."""
_BLOCK: Final = 8192
"""Rows compared with the questions at once."""
_CACHED_ROWS: Final = 100_000
"""Up to so many vectors stay in memory (77 MB); more are read from the ledger each time."""
_KEPT: Final = 12
"""Lists of nearest chunks that are kept; each holds some megabytes."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One way to search. `adapter` None: questions are searched as they are."""

    cosine_weight: float
    candidates: int
    surroundings_weight: float
    adapter: Adapter | None = None
    title_weight: float = 0.0


class Scores:
    """The questions of a tuning, asked of one library."""

    def __init__(
        self, library: Library, asked: Sequence[Asked], *, progress: Callable[[Progress], None]
    ) -> None:
        """Look up every question's words and make its vector. Raises UsageError without vectors."""
        self.asked = tuple(asked)
        self._library = library
        self._searcher = library.searcher()
        if self._searcher.embedder is None or self._searcher.indexes.vectors is None:
            raise UsageError(
                "This library is searched by words alone, so there is nothing to tune. Install a model with "
                "`openbook model install`, then run `openbook add` again."
            )
        self.fingerprint = self._searcher.embedder.fingerprint
        self._requests: list[Request] = []
        vectors = []
        for number, one in enumerate(self.asked, start=1):
            request = self._searcher.understood(one.text, one.history)
            if request.vector is not None:
                vectors.append(request.vector)
            self._requests.append(request)
            progress(Progress("asking", number, len(self.asked)))
        self.vectors = np.stack(vectors).astype(np.float32)
        """Of the questions, unit rows: shape (questions, dimension)."""
        lexical = self._searcher.indexes.lexical
        self._words = [
            lexical.search(request.question, limit=DEEPEST, earlier=request.earlier)
            for request in self._requests
        ]
        self._word_scores: list[dict[int, float]] = [dict(found) for found in self._words]
        self._looked_up: list[set[int]] = [set(found) for found in self._word_scores]
        self._titles: list[dict[int, float]] = [{} for _ in self.asked]
        self._judge = Judge(library, [question_of(one) for one in self.asked])
        self._near: dict[tuple[float, str], dict[int, Near]] = {}
        self._cached: tuple[float, list[tuple[NDArray[np.int64], NDArray[np.float16]]]] | None = None
        self._records: dict[int, ChunkRecord] = {}
        self._copies: dict[bytes, list[int]] = {}
        self._paths: list[tuple[str, int]] | None = None
        self._judged: dict[tuple[int, tuple[tuple[int, ...], ...]], float] = {}

    def current(self) -> Configuration:
        """The library's own configuration, its adapter included."""
        settings = self._library.settings
        return Configuration(
            settings.cosine_weight,
            settings.candidates,
            settings.surroundings_weight,
            self._searcher.adapter,
            settings.title_weight,
        )

    def values(self, configuration: Configuration, positions: NDArray[np.int64]) -> Floats:
        """nDCG@10 of the questions at these positions, each of which has an answer."""
        near = self.near(configuration.surroundings_weight, configuration.adapter, positions)
        return np.array([self._value(int(i), configuration, near[int(i)]) for i in positions])

    def near(
        self, surroundings_weight: float, adapter: Adapter | None, positions: NDArray[np.int64]
    ) -> Mapping[int, Near]:
        """The nearest chunks of these questions at least, kept for the next time."""
        key = (surroundings_weight, adapter.id if adapter is not None else "")
        known = self._near.pop(key, {})
        while len(self._near) >= _KEPT:
            del self._near[next(iter(self._near))]
        self._near[key] = known
        missing = np.array([i for i in positions.tolist() if i not in known], dtype=np.int64)
        if len(missing):
            vectors = self.vectors[missing]
            vectors = vectors if adapter is None else adapter.adapted(vectors)
            found = self._nearest(vectors, missing, surroundings_weight)
            known.update(zip(missing.tolist(), found, strict=True))
        return known

    def ranking(self, configuration: Configuration, number: int, k: int) -> list[list[int]]:
        """The chunks of the first `k` hits for a question, best hit first, best chunk of each first."""
        only = np.array([number], dtype=np.int64)
        near = self.near(configuration.surroundings_weight, configuration.adapter, only)[number]
        groups, _ = self._grouped(number, configuration, near, k)
        return [[candidate.chunk_id for candidate in group] for group in groups]

    def right(self, number: int, chunks: Sequence[int]) -> bool:
        """Whether a hit made of these chunks is a right one for a question."""
        return self._judge_hits(number, [list(chunks)]) > 0.0

    def vectors_of(self, chunk_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The vectors of chunks as the library searches them now."""
        index = self._searcher.indexes.vectors
        rows = None if index is None else index.rows(chunk_ids)
        if rows is None:
            return {}
        return dict(zip(rows.ids.tolist(), rows.vectors.astype(np.float32), strict=True))

    def answers(self, number: int) -> list[int]:
        """Ids of the chunks that answer a question: those of right documents, or those that hold a place."""
        one = self.asked[number]
        if self._paths is None:
            self._paths = [(record.path, record.id) for record in self._searcher.ledger.documents()]
        files = {gold.file for golds in one.needs for gold in golds if gold.file}
        documents = [
            identity
            for path, identity in self._paths
            if one.grades.get(path, 0) > 0 or any(is_file(path, file) for file in files)
        ]
        chunks = [
            chunk.id for identity in documents for chunk in self._searcher.ledger.document_chunks(identity)
        ]
        return chunks if one.grades else [chunk for chunk in chunks if self.right(number, [chunk])]

    # -- scores ----------------------------------------------------------------

    def _nearest(
        self, vectors: NDArray[np.float32], positions: NDArray[np.int64], surroundings_weight: float
    ) -> list[Near]:
        """For each question the nearest chunks, and the cosines of those that its words found: all exact."""
        best_ids = np.zeros((len(vectors), 0), dtype=np.int64)
        best = np.zeros((len(vectors), 0), dtype=np.float32)
        wanted = [
            np.array(sorted(dict(found)), dtype=np.int64)
            for found in (self._words[int(i)] for i in positions)
        ]
        known: list[dict[int, float]] = [{} for _ in wanted]
        for ids, rows in self._blocks(surroundings_weight):
            cosines = np.clip(vectors @ rows.T, -1.0, 1.0)
            for number, ask_for in enumerate(wanted):
                places = np.minimum(np.searchsorted(ids, ask_for), len(ids) - 1)
                held = ids[places] == ask_for
                found = cosines[number, places[held]].astype(np.float64).round(6)
                known[number] |= dict(zip(ask_for[held].tolist(), found.tolist(), strict=True))
            best = np.concatenate([best, cosines], axis=1)
            best_ids = np.concatenate([best_ids, np.broadcast_to(ids, cosines.shape)], axis=1)
            if best.shape[1] > DEEPEST:
                kept = np.argpartition(-best, DEEPEST, axis=1)[:, :DEEPEST]
                best = np.take_along_axis(best, kept, axis=1)
                best_ids = np.take_along_axis(best_ids, kept, axis=1)
        rounded = best.astype(np.float64).round(6)
        return [
            Near(_ordered(ids, scores), also)
            for ids, scores, also in zip(best_ids, rounded, known, strict=True)
        ]

    def _blocks(self, surroundings_weight: float) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield (ascending chunk ids, their vectors as a search has them)."""
        if self._cached is None or self._cached[0] != surroundings_weight:
            self._cached = None
            kept: list[tuple[NDArray[np.int64], NDArray[np.float16]]] = []
            count = 0
            for ids, rows in self._mixed(surroundings_weight):
                count += len(ids)
                if count <= _CACHED_ROWS:
                    kept.append((ids, rows))
                yield ids, rows.astype(np.float32)
            if count <= _CACHED_ROWS:
                self._cached = (surroundings_weight, kept)
        else:
            yield from ((ids, rows.astype(np.float32)) for ids, rows in self._cached[1])

    def _mixed(self, surroundings_weight: float) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
        ids: list[NDArray[np.int64]] = []
        rows: list[NDArray[np.float16]] = []
        for _, chunk_ids, plain in self._library.embeddings():
            ids.append(chunk_ids)
            rows.append(mix(plain, surroundings_weight))
            if sum(map(len, ids)) >= _BLOCK:
                yield _sorted(ids, rows)
                ids, rows = [], []
        if ids:
            yield _sorted(ids, rows)

    def _candidates(self, number: int, limit: int, near: Near) -> Candidates:
        """What the search would have as its candidates."""
        lexical, semantic = self._words[number][:limit], near.best[:limit]
        scores, looked_up = self._word_scores[number], self._looked_up[number]
        if missing := [chunk_id for chunk_id, _ in semantic if chunk_id not in looked_up]:
            request = self._requests[number]
            index = self._searcher.indexes.lexical
            scores |= index.scores(request.question, missing, earlier=request.earlier)
            looked_up.update(missing)
        cosines = {i: near.known[i] for i, _ in lexical if i in near.known} | dict(semantic)
        words = {i: scores[i] for i in {*dict(lexical), *cosines} if i in scores}
        ranks = (
            {chunk_id: rank for rank, (chunk_id, _) in enumerate(found, start=1)}
            for found in (lexical, semantic)
        )
        return Candidates(
            words,
            cosines if semantic else None,
            best_words=lexical[0][1] if lexical else 0.0,
            ranks=Legs(*ranks),
        )

    def _title_shares(self, number: int, candidates: Candidates) -> dict[int, float]:
        """What the search would know of titles, of these candidates at least."""
        known = self._titles[number]
        if missing := [i for i in {*candidates.words, *(candidates.cosines or ())} if i not in known]:
            searcher = self._searcher
            request, lexical = self._requests[number], searcher.indexes.lexical
            known |= dict.fromkeys(missing, 0.0)
            known |= title_shares(searcher.ledger, lexical, request, sorted(missing))
        return known

    def _grouped(
        self, number: int, configuration: Configuration, near: Near, k: int
    ) -> tuple[list[list[Candidate]], Mapping[int, ChunkRecord]]:
        request = replace(
            self._requests[number],
            k=k,
            cosine_weight=configuration.cosine_weight,
            per_document=1 if self.asked[number].grades else None,
            title_weight=configuration.title_weight,
        )
        candidates = self._candidates(number, max(configuration.candidates, k), near)
        if configuration.title_weight > 0:
            candidates = replace(candidates, titles=self._title_shares(number, candidates))
        return grouped(candidates, request, self._read)

    def _read(self, chunk_ids: Sequence[int]) -> dict[int, ChunkRecord]:
        missing = [i for i in chunk_ids if i not in self._records]
        if missing:
            found = self._searcher.ledger.chunks(missing)
            self._records |= {i: replace(record, text="") for i, record in found.items()}
            hashes = [record.plain_hash for record in found.values()]
            self._copies |= self._searcher.ledger.duplicates(hashes)
        return {i: self._records[i] for i in chunk_ids if i in self._records}

    # -- judging ---------------------------------------------------------------

    def _value(self, number: int, configuration: Configuration, near: Near) -> float:
        groups, _ = self._grouped(number, configuration, near, PAGE)
        return self._judge_hits(number, [[one.chunk_id for one in group] for group in groups])

    def _judge_hits(self, number: int, groups: Sequence[Sequence[int]]) -> float:
        key = (number, tuple(tuple(group) for group in groups))
        if key not in self._judged:
            one = self.asked[number]
            hits = [self._hit(group) for group in groups]
            if one.grades:
                names = (name for hit in hits for name in (hit.path, *(copy.path for copy in hit.locations)))
                self._judged[key] = ndcg(one.grades, list(dict.fromkeys(names)))
            else:
                parts = {f"part {part}": 1 for part in range(len(one.needs))}
                self._judged[key] = ndcg(parts, self._judge.run(question_of(one), hits, ()))
        return self._judged[key]

    def _hit(self, chunk_ids: Sequence[int]) -> Hit:
        """As much of a hit as a judge looks at."""
        members = list(self._read(chunk_ids).values())
        record = members[0]
        copies = [i for i in self._copies.get(record.plain_hash, ()) if i != record.id]
        others = self._read(copies).values() if copies else ()
        return Hit(
            path=record.path,
            document_id=record.document_id,
            chunk_id=record.id,
            start=min(member.start for member in members),
            end=max(member.end for member in members),
            page=record.page,
            heading=record.heading,
            text="",
            score=0.0,
            ranks=Legs(None, None),
            scores=Legs(None, None),
            locations=tuple(
                Location(o.path, o.document_id, o.id, o.start, o.end, o.page, o.place) for o in others
            ),
        )


@dataclass(frozen=True, slots=True)
class Near:
    """A question's nearest chunks with their cosines, best first, and the cosines of what its words found."""

    best: list[tuple[int, float]]
    known: Mapping[int, float]


def ndcg(grades: Mapping[str, int], ranked: Sequence[str]) -> float:
    """nDCG@10 of names, best first: the sum of grade / log2(rank + 1), divided by the best sum there is."""
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)
    return _gain([grades.get(name, 0) for name in ranked]) / _gain(ideal) if ideal else 0.0


def _gain(grades: Sequence[int]) -> float:
    return sum(max(grade, 0) / math.log2(rank + 1) for rank, grade in enumerate(grades[:PAGE], start=1))


def question_of(asked: Asked) -> Question:
    """The question as a judge of places wants it."""
    return Question(asked.id, "answerable", asked.text, asked.needs)


def _ordered(ids: NDArray[np.int64], scores: Floats) -> list[tuple[int, float]]:
    order = np.lexsort((ids, -scores))
    return list(zip(ids[order].tolist(), scores[order].tolist(), strict=True))


def _sorted(
    ids: Sequence[NDArray[np.int64]], rows: Sequence[NDArray[np.float16]]
) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    numbers = np.concatenate(ids)
    order = np.argsort(numbers)
    return numbers[order], np.concatenate(rows)[order]

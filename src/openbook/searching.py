"""A question as somebody typed it → hits: spelling, conditions, earlier exchanges, what to say of the result.

`retrieve` finds and fuses; what it is asked for is put together here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from openbook.errors import ModelError, UsageError
from openbook.index.conversation_records import storable
from openbook.index.where import parse_where
from openbook.retrieve import Request, Retriever
from openbook.types import Hits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from openbook.adapting import Adapter
    from openbook.embed import Embedder
    from openbook.index.derived import DerivedIndexes
    from openbook.index.ledger import Ledger
    from openbook.types import Exchange, FloatMatrix


@dataclass(frozen=True, slots=True)
class Searcher:
    """The search of one library. `embedder` is None where only words are searched; `notes` say why.

    `indexes` have caught up with the ledger. `k`, `candidates`, `cosine_weight`
    and `title_weight` are the library's settings. `adapter` maps the vector that is
    searched for; where a question was blended with earlier ones, the blend.
    """

    ledger: Ledger
    indexes: DerivedIndexes
    embedder: Embedder | None
    notes: tuple[str, ...]
    k: int
    candidates: int
    cosine_weight: float
    adapter: Adapter | None = None
    title_weight: float = 0.0

    def search(
        self,
        question: str,
        *,
        k: int | None = None,
        where: Sequence[str] = (),
        per_document: int | None = None,
        explain: bool = False,
        history: Sequence[Exchange] = (),
        within: Collection[int] | None = None,
    ) -> Hits:
        """Find the best `k` places (see `Library.search`)."""
        if not question.strip():
            raise UsageError("The question is empty. Ask with at least one word.")
        question, where = storable(question), [storable(condition) for condition in where]
        allowed = _both(self.ledger.select_chunk_ids(parse_where(where)) if where else None, within)
        request, notes, context = self._understood(question, history, allowed)
        request = replace(
            request,
            k=positive(k, self.k, "k"),
            per_document=per_document,
            explain=explain,
            vector=self._adapted(request.vector),
        )
        embed = self._embed if self.embedder is not None else None
        hits = self._retriever().search(request, embed)
        coverage = self.indexes.coverage()
        if embed is not None and coverage < 1:
            notes = (*notes, f"{coverage:.0%} of the library has vectors so far; words found the rest.")
        return Hits(
            question, tuple(hits), request.question, coverage if embed is not None else 0.0, notes, context
        )

    def understood(self, question: str, history: Sequence[Exchange] = ()) -> Request:
        """What is searched for when this is asked, its vector included, before any adapter changes it."""
        request, _, _ = self._understood(storable(question), history, None)
        if request.vector is None and self.embedder is not None:
            request = replace(request, vector=self.embedder.embed([request.question], "query")[0])
        return request

    def _understood(
        self, question: str, history: Sequence[Exchange], within: NDArray[np.int64] | None
    ) -> tuple[Request, tuple[str, ...], float]:
        """What is searched for, notes, and the share of earlier questions in it."""
        meant, spelling_notes = self._spelled(question)
        notes = (*self.notes, *spelling_notes)
        request = Request(
            meant,
            candidates=self.candidates,
            cosine_weight=self.cosine_weight,
            within=within,
            title_weight=self.title_weight,
        )
        if not history:
            return request, notes, 0.0
        embed = None if self.embedder is None else partial(self.embedder.embed, role="query")
        blend = self._retriever().blend(request, [_storable(exchange) for exchange in history], embed)
        request = replace(request, earlier=blend.words, vector=blend.vector)
        return request, (*notes, *blend.notes), blend.weight

    def _retriever(self) -> Retriever:
        return Retriever(self.ledger, self.indexes.lexical, self.indexes.vectors)

    def _embed(self, texts: Sequence[str]) -> FloatMatrix:
        """Vectors to search for. Called only where there is an embedder."""
        if self.embedder is None:
            raise ModelError("This library is searched by words alone, so nothing can be embedded.")
        rows = self.embedder.embed(texts, "query")
        return rows if self.adapter is None else self.adapter.adapted(rows)

    def _adapted(self, vector: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        if vector is None or self.adapter is None:
            return vector
        mapped: NDArray[np.float32] = self.adapter.adapted(vector[None])[0]
        return mapped

    def _spelled(self, question: str) -> tuple[str, tuple[str, ...]]:
        """The question with misspelt words put right, and a note that says which."""
        from openbook.index.spelling import corrected, corrections

        tokenizer = self.embedder.tokenizer if self.embedder is not None else None
        if tokenizer is None:
            return question, ()
        lexical = self.indexes.lexical
        language = lexical.languages[0] if lexical.languages else ""
        found = corrections(
            question,
            terms=lambda text: lexical.content_words(text, language),
            frequencies=lexical.frequencies,
            is_word=lambda word: len(tokenizer.encode(word, add_special_tokens=False).ids) == 1,
        )
        notes = tuple(f"Searched for {right!r} instead of {wrong!r}." for wrong, right in found.items())
        return corrected(question, found), notes


def positive(value: int | None, default: int, name: str) -> int:
    """The value, or the default where there is none. Raises UsageError below 1."""
    if value is None:
        return default
    if value < 1:
        raise UsageError(f"{name} is {value!r}; expected 1 or more.")
    return value


def _storable(exchange: Exchange) -> Exchange:
    return replace(exchange, question=storable(exchange.question), meant=storable(exchange.meant))


def _both(selected: NDArray[np.int64] | None, within: Collection[int] | None) -> NDArray[np.int64] | None:
    """The sorted ids that are in both, where both are given."""
    if within is None:
        return selected
    import numpy as np

    from openbook.index.distinct import distinct

    wanted = distinct(np.fromiter(within, dtype=np.int64, count=len(within)))
    return wanted if selected is None else np.intersect1d(selected, wanted, assume_unique=True)

"""BM25 over chunks, in a tantivy index that is derived from the ledger.

The index holds, for each chunk, the terms of its context and text (see
`analysis`) with their counts, its id, its document's id and its language: no
text and no word positions. Whatever is wrong with the folder (missing,
damaged, of another library, of an older analysis), `catch_up` makes it anew
from the ledger and says so in `note`.

BM25 is tantivy's: k1 = 1.2, b = 0.75, idf = ln(1 + (N - n + 0.5) / (n + 0.5)),
lengths kept in one byte (Robertson and Zaragoza, "The Probabilistic Relevance
Framework: BM25 and Beyond", 2009). Every term of a question counts once.

Refused: tantivy's query language, which would read meaning into the
punctuation of a question, and its text analysers on the field itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from openbook.index import analysis
from openbook.index.lexical_folder import LexicalFolder, Unusable, rust_errors

if TYPE_CHECKING:
    import numpy as np
    import tantivy
    from numpy.typing import NDArray

    from openbook.index.ledger import Ledger
    from openbook.index.lexical_folder import Opened

_MOST_TERMS: Final = 64
"""Of a longer question only the rarest terms count; the rest would cost time and move little."""
_EACH_LISTED: Final = 4.5
"""A filter costs so many microseconds for each chunk id that is listed in the query, or …"""
_EACH_RANGE: Final = 0.003
"""… so many for each range of ids and chunk of the library, or …"""
_EACH_LATE: Final = 0.45
"""… so many for each result that is ranked without the filter, which then is applied to the results."""
_MOST_TIES: Final = 20_000
"""Results fetched at most to order equal scores by chunk id."""
_DECIMALS: Final = 4
"""Of a score; see `_rounded`."""


class LexicalIndex:
    """Word search over the chunks of one library. Searching is thread-safe; writing needs the write lock.

    Opening never writes and never fails: an index that is missing or unusable
    is empty (`sequence` 0) until the next `catch_up`, and `note` says why.
    With `library_id`, an index made from another library is unusable too.
    """

    def __init__(self, folder: Path, *, library_id: str | None = None) -> None:
        self.note = ""
        self._folder = LexicalFolder(folder)
        self._library_id = library_id
        self._opened: Opened | None = None
        self._stamp: tuple[int, ...] = ()
        self._open()

    @property
    def sequence(self) -> int:
        """The ledger's sequence number that the index holds; 0 when it holds nothing."""
        return self._opened.sequence if self._opened else 0

    @property
    def count(self) -> int:
        """Number of chunks."""
        return self._opened.count if self._opened else 0

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of the chunks, most frequent first; "" stands for unknown ones."""
        return self._opened.languages if self._opened else ()

    def close(self) -> None:
        """Let go of the files. The index is empty then; `reload` opens it again."""
        self._opened, self._stamp = None, ()

    def reload(self) -> None:
        """See what another process has committed. Costs one `stat` when nothing has changed."""
        if self._folder.stamp() != self._stamp:
            self._open()

    def catch_up(self, ledger: Ledger) -> int:
        """Follow the ledger; return how many of its changes were applied.

        An index that cannot be followed up is rebuilt, and `note` says why.
        Raises StorageFull, and LibraryError if the folder cannot be written.
        """
        self._library_id = ledger.library_id
        self.reload()
        if self._opened and self._opened.library_id != self._library_id:
            self._open()
        if self._opened is None:
            self.rebuild(ledger)
            return self.sequence
        changes = ledger.changes_since(self.sequence)
        if changes is None:
            self.note = "The lexical index was too far behind and has been rebuilt."
            self.rebuild(ledger)
            return self.sequence
        if changes:
            with self._folder.writing(self._opened) as writer:
                writer.apply(ledger, changes)
            self._open()
        return len(changes)

    def rebuild(self, ledger: Ledger) -> None:
        """Make the index anew from the ledger, whatever is there.

        A usable index goes on serving readers until the new one is committed.
        """
        note = self.note
        self._library_id = ledger.library_id
        sequence = ledger.sequence
        opened = self._opened or self._folder.create()
        with self._folder.writing(opened) as writer:
            writer.replace_all(ledger, sequence)
        del opened
        self._open()
        self._folder.sweep()
        self.note = note

    def purge(self, ledger: Ledger) -> None:
        """Catch up, and leave no byte of removed text in any file of the folder.

        Segments that lost chunks are written anew, the others stay. Costs time
        in proportion to the chunks in those segments.
        """
        self.catch_up(ledger)
        for _ in range(3):
            if self._opened is None or not self._folder.segments_with_removals():
                break
            with self._folder.writing(self._opened) as writer:
                writer.rewrite_segments(ledger, self._folder.segments_with_removals())
            self._open()
        else:
            # merges in the background kept changing the segments: start from nothing
            self.close()
            self.rebuild(ledger)
        self._folder.sweep()

    def check(self, ledger: Ledger) -> list[str]:
        """Compare the index with the ledger, byte checksums included; return problems in words."""
        self.reload()
        if self._opened is None:
            return [self.note or "The lexical index has not been built yet."]
        return self._folder.check(self._opened, ledger)

    def search(
        self,
        question: str,
        *,
        limit: int,
        within: NDArray[np.int64] | None = None,
        earlier: Sequence[tuple[str, float]] = (),
    ) -> list[tuple[int, float]]:
        """Return up to `limit` (chunk id, BM25), best first, equal scores by lower id.

        `within` holds the sorted ids of the chunks that may be found; None
        means all. Word statistics are those of the whole library either way.
        `earlier` holds texts asked before, each with what its words count
        where the question does not hold them (the question's own count 1).
        """
        opened = self._opened
        if opened is None or limit < 1 or (within is not None and not len(within)):
            return []
        query = self._question(opened, question, earlier)
        if query is None:
            return []
        if within is None:
            return self._ranked(opened, query, limit)
        ranges = _ranges(within)
        listed, ranged = _EACH_LISTED * len(within), _EACH_RANGE * opened.count * len(ranges)
        fetched = int(1.5 * limit * max(1.0, opened.count / len(within))) + 50
        if _EACH_LATE * min(fetched, opened.count) < min(listed, ranged):
            return self._ranked_within(opened, query, limit, within, fetched)
        allowed = _any_of(opened, within) if listed < ranged else _in_any(opened, ranges)
        return self._ranked(opened, _restricted(query, allowed), limit)

    def scores(
        self, question: str, chunk_ids: Sequence[int], *, earlier: Sequence[tuple[str, float]] = ()
    ) -> dict[int, float]:
        """Return BM25 of those of these chunks in which any of the words occurs; see `search`."""
        import numpy as np

        from openbook.index.distinct import distinct

        opened = self._opened
        if opened is None or not chunk_ids:
            return {}
        query = self._question(opened, question, earlier)
        if query is None:
            return {}
        wanted = distinct(np.asarray(chunk_ids, dtype=np.int64))
        ids, scores = _hits(opened, _restricted(query, _any_of(opened, wanted)), len(wanted))
        return dict(zip(ids.tolist(), np.round(scores, _DECIMALS).tolist(), strict=True))

    def matched_words(self, question: str, text: str, language: str) -> tuple[str, ...]:
        """Return the words of the question, as written there, that occur in `text`; no stop words."""
        return analysis.matched_words(question, text, language)

    def content_words(self, text: str, language: str) -> list[str]:
        """Return the analysed terms of a text without stop words, in order, repetitions included."""
        return analysis.analysis_of(language).content_terms(text)

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        """Return for each analysed term (see `content_words`) in how many chunks it occurs."""
        opened = self._opened
        return [opened.searcher.doc_freq("words", term) if opened else 0 for term in terms]

    def _open(self) -> None:
        """Open what is in the folder, or note why that is impossible."""
        self._opened, self.note = None, ""
        self._stamp = self._folder.stamp()
        try:
            self._opened = self._folder.open(self._library_id)
        except Unusable as problem:
            self.note = str(problem)

    def _question(
        self, opened: Opened, question: str, earlier: Sequence[tuple[str, float]]
    ) -> tantivy.Query | None:
        """Return the query for chunks that hold any of the terms, or None if there are none."""
        from tantivy import Occur, Query

        own = self._terms(opened, question)
        queries = [Query.term_query(opened.schema, "words", term, "freq") for term in own]
        for term, weight in self._terms_of_earlier(opened, own, earlier).items():
            one = Query.term_query(opened.schema, "words", term, "freq")
            queries.append(Query.boost_query(one, weight))
        return Query.boolean_query([(Occur.Should, query) for query in queries]) if queries else None

    def _terms(self, opened: Opened, text: str) -> list[str]:
        terms = analysis.question_terms(text, opened.languages)
        if len(terms) > _MOST_TERMS:
            frequency = {term: opened.searcher.doc_freq("words", term) for term in terms}
            terms = sorted((t for t in terms if frequency[t]), key=lambda t: frequency[t])[:_MOST_TERMS]
        return terms

    def _terms_of_earlier(
        self, opened: Opened, own: Sequence[str], earlier: Sequence[tuple[str, float]]
    ) -> dict[str, float]:
        """Return what terms that only earlier texts hold count: the most that any of these gives them."""
        weights: dict[str, float] = {}
        for text, weight in earlier:
            for term in self._terms(opened, text):
                weights[term] = max(weight, weights.get(term, 0.0))
        left = _MOST_TERMS - len(own)
        ranked = sorted((t for t in weights if t not in own), key=lambda t: -weights[t])
        return {term: weights[term] for term in ranked[:left] if weights[term] > 0}

    def _ranked(self, opened: Opened, query: tantivy.Query, limit: int) -> list[tuple[int, float]]:
        """Return the best `limit`. Fetches on while the last score may be shared by more chunks."""
        fetched = limit + 50
        while True:
            ids, scores = _hits(opened, query, fetched)
            if (
                len(ids) < fetched
                or fetched >= _MOST_TIES
                or _rounded(scores[-1]) < _rounded(scores[limit - 1])
            ):
                return _ordered(ids, scores, limit)
            fetched *= 4

    def _ranked_within(
        self, opened: Opened, query: tantivy.Query, limit: int, within: NDArray[np.int64], fetched: int
    ) -> list[tuple[int, float]]:
        """Return the best `limit` of many allowed chunks.

        Results are ranked without the filter, and more are fetched until
        enough of them pass or none is left: nothing is lost by filtering late.
        """
        import numpy as np

        while True:
            ids, scores = _hits(opened, query, fetched)
            place = np.minimum(np.searchsorted(within, ids), len(within) - 1)
            passed = within[place] == ids
            complete = len(ids) < fetched
            kept_ids, kept = ids[passed], scores[passed]
            if complete or (len(kept) >= limit and _rounded(scores[-1]) < _rounded(kept[limit - 1])):
                return _ordered(kept_ids, kept, limit)
            fetched *= 4


def _restricted(query: tantivy.Query, allowed: tantivy.Query) -> tantivy.Query:
    """Return the query for chunks that are allowed as well; scores stay as they are."""
    from tantivy import Occur, Query

    return Query.boolean_query([(Occur.Must, query), (Occur.Must, Query.const_score_query(allowed, 0.0))])


def _any_of(opened: Opened, chunk_ids: NDArray[np.int64]) -> tantivy.Query:
    # tantivy's query for a set of terms takes three times as long
    from tantivy import Occur, Query

    ids: list[int] = chunk_ids.tolist()
    each = [Query.term_query(opened.schema, "chunk", i, "basic") for i in ids]
    return Query.boolean_query([(Occur.Should, one) for one in each])


def _in_any(opened: Opened, ranges: NDArray[np.int64]) -> tantivy.Query:
    from tantivy import FieldType, Occur, Query

    each = [
        Query.range_query(opened.schema, "chunk", FieldType.Integer, int(first), int(last))
        for first, last in ranges.tolist()
    ]
    return Query.boolean_query([(Occur.Should, one) for one in each])


def _ranges(chunk_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return sorted ids as ranges, shape (n, 2), both ends included."""
    import numpy as np

    breaks = np.flatnonzero(np.diff(chunk_ids) != 1)
    first = chunk_ids[np.concatenate([[0], breaks + 1])]
    last = chunk_ids[np.concatenate([breaks, [len(chunk_ids) - 1]])]
    return np.stack([first, last], axis=1)


def _hits(opened: Opened, query: tantivy.Query, limit: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return chunk ids and scores of the best `limit` chunks, best first."""
    import numpy as np

    with rust_errors("searched"):
        hits = opened.searcher.search(query, limit, count=False).hits
        ids = opened.searcher.fast_field_values("chunk", [address for _, address in hits])
    return np.array(ids, dtype=np.int64), np.array([score for score, _ in hits], dtype=np.float64)


def _rounded(score: float) -> float:
    # The sum over the terms is taken in an order that depends on the segments: its last bits are noise.
    return round(float(score), _DECIMALS)


def _ordered(ids: NDArray[np.int64], scores: NDArray[np.float64], limit: int) -> list[tuple[int, float]]:
    import numpy as np

    # Scores are float32 numbers, so that this rounds exactly as `_rounded` does, hundreds of them at once.
    rounded = np.round(scores, _DECIMALS)
    best = np.lexsort((ids, -rounded))[:limit]
    return list(zip(ids[best].tolist(), rounded[best].tolist(), strict=True))

"""Vectors → groups that belong together, each with the words that tell it from the others.

K-means (Lloyd's steps from k-means++ seeds, Arthur and Vassilvitskii 2007) on
a sample, then every row to its nearest centre. Of a few numbers of clusters
the one with the best silhouette is taken; the silhouette is measured against
centres instead of all rows (Vendramin, Campello and Hruschka 2010), which a sample
of any size can afford. Labels are the words that a cluster has more often than
the others, counted once for each chunk that they are in.

Refused: density-based clusters (HDBSCAN), which leave a third of most libraries
without a cluster; a language model for the labels (a map must not wait);
and class-based TF-IDF for them, under which words that are frequent everywhere
win ("ibm cloud com" for two clusters of twenty in the documentation of one maker).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.types import FloatMatrix

FEWEST: Final = 2
MOST: Final = 40
LABEL_WORDS: Final = 3
_SEED: Final = 20
_SAMPLE: Final = 10_000
_STEPS: Final = 40
_BLOCK: Final = 16_384
_ALONE: Final = 250_000
"""Multiplications that OpenBLAS does in one thread. Beyond, it starts others and waits for them, which on
a busy machine takes five times as long as doing without."""
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_ENOUGH: Final = 50
"""Different words that several texts of a cluster share."""
_SHORTEST: Final = 3
"""Letters of a word in a label, in scripts with letters."""


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Which cluster each row belongs to, shape (n,), largest cluster first, and the centres (k, d).

    `silhouette` (-1 to 1) says how well they are separated.
    """

    labels: NDArray[np.uint16]
    centres: FloatMatrix
    silhouette: float

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of rows in each cluster."""
        return np.bincount(self.labels, minlength=len(self.centres))


def cluster(rows: FloatMatrix) -> Clusters:
    """Group rows, shape (n, d). The same rows always give the same clusters.

    The most clusters that are tried are √(n/2), at least 2 and at most 40; the
    fewest are a third of that. Fewer than four rows are one cluster.
    """
    if len(rows) < 2 * FEWEST:
        centre = rows.mean(axis=0, keepdims=True) if len(rows) else np.zeros((1, rows.shape[1]))
        return Clusters(np.zeros(len(rows), dtype=np.uint16), centre.astype(np.float32), 0.0)
    sample = rows[:: -(-len(rows) // _SAMPLE)]
    best = max(
        (_fit(sample, count) for count in counts_to_try(len(rows))),
        key=lambda found: found[1],
    )
    centres, silhouette = best
    labels = nearest_centres(rows, centres)
    sizes = np.bincount(labels, minlength=len(centres))
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] > 0]
    places = np.zeros(len(centres), dtype=np.uint16)
    places[order] = np.arange(len(order), dtype=np.uint16)
    return Clusters(places[labels], centres[order], silhouette)


def counts_to_try(count: int) -> list[int]:
    """Numbers of clusters that are tried for so many rows, ascending."""
    most = max(FEWEST, min(MOST, round(math.sqrt(count / 2))))
    return sorted({max(FEWEST, round(most * share)) for share in (1 / 3, 1 / 2, 2 / 3, 1)})


def nearest_centres(rows: FloatMatrix, centres: FloatMatrix) -> NDArray[np.int64]:
    """The number of the nearest centre of each row; of equally near ones the first."""
    found = [
        np.argmin(_distances(rows[start : start + _BLOCK], centres), axis=1)
        for start in range(0, len(rows), _BLOCK)
    ]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def _fit(rows: FloatMatrix, count: int) -> tuple[FloatMatrix, float]:
    """Centres of `count` clusters and their silhouette."""
    centres = _seeds(rows, count)
    labels = np.full(len(rows), -1, dtype=np.int64)
    for _ in range(_STEPS):
        distances = _distances(rows, centres)
        fresh = np.argmin(distances, axis=1)
        if np.array_equal(fresh, labels):
            break
        labels = fresh
        centres = _means(rows, labels, centres)
    return centres, _silhouette(_distances(rows, centres))


def _means(rows: FloatMatrix, labels: NDArray[np.int64], centres: FloatMatrix) -> FloatMatrix:
    """The mean of each cluster; one that lost all its rows stays where it was."""
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    sums = np.add.reduceat(rows[order], starts, axis=0)
    sizes = np.diff(np.append(starts, len(rows)))
    moved = centres.copy()
    moved[present] = sums / sizes[:, np.newaxis]
    return moved


def _seeds(rows: FloatMatrix, count: int) -> FloatMatrix:
    """Rows that lie far from each other: each is drawn by its squared distance from those before."""
    chance = np.random.default_rng(_SEED)
    chosen = [int(chance.integers(len(rows)))]
    nearest = _distances(rows, rows[chosen])[:, 0]
    while len(chosen) < count:
        total = float(nearest.sum())
        if total <= 0:  # fewer different rows than clusters
            chosen.append(int(chance.integers(len(rows))))
            continue
        chosen.append(int(np.searchsorted(np.cumsum(nearest), chance.random() * total)) % len(rows))
        nearest = np.minimum(nearest, _distances(rows, rows[chosen[-1:]])[:, 0])
    return rows[chosen].copy()


def _silhouette(distances: NDArray[np.float32]) -> float:
    """Mean over rows of (b-a)/max(a,b): a to the own centre, b to the next one. `distances` are squared."""
    nearest = np.sqrt(np.partition(distances, 1, axis=1)[:, :2])
    own, other = nearest[:, 0], nearest[:, 1]
    return float(np.mean((other - own) / np.maximum(other, 1e-9)))


def _distances(rows: FloatMatrix, centres: FloatMatrix) -> NDArray[np.float32]:
    """Squared distances, shape (n, k), never below 0."""
    found = np.empty((len(rows), len(centres)), dtype=np.float32)
    squares = np.einsum("ij,ij->i", centres, centres)
    turned = np.ascontiguousarray(centres.T)
    block = max(1, _ALONE // max(1, centres.size))
    for start in range(0, len(rows), block):
        part = slice(start, start + block)
        np.matmul(rows[part], turned, out=found[part])
    found *= -2
    found += squares
    found += np.einsum("ij,ij->i", rows, rows)[:, np.newaxis]
    return np.maximum(found, 0, out=found)


# Labels


def telling_words(
    texts: Mapping[int, Iterable[tuple[str, str]]], content_words: Callable[[str, str], Sequence[str]]
) -> dict[int, tuple[str, ...]]:
    """The most telling words of each cluster, best first, as they are mostly written.

    `texts` holds (text, language) of some chunks of each cluster;
    `content_words` gives the terms of a word in a language, none for a stop
    word. Two forms of one term are one word. The weight is p·log(p/q): p is the
    share that a word has in its cluster, counted once a chunk, and q
    its share in all clusters. It is what the word adds to the divergence of the
    cluster's words from all words (Kullback and Leibler 1951).
    """
    terms = _Terms(content_words)
    counts = {number: terms.counted(group) for number, group in texts.items()}
    total: Counter[str] = Counter()
    for counted in counts.values():
        total.update(counted)
    everything = max(total.total(), 1)

    def weight(counted: Counter[str], term: str) -> float:
        share = counted[term] / counted.total()
        return share * math.log(share * everything / total[term])

    return {
        number: terms.written(sorted(counted, key=lambda term: (-weight(counted, term), term)))
        for number, counted in counts.items()
    }


class _Terms:
    """Words as terms, and terms as they are mostly written."""

    def __init__(self, content_words: Callable[[str, str], Sequence[str]]) -> None:
        self._content_words = content_words
        self._known: dict[tuple[str, str], tuple[str, ...]] = {}
        self._forms: dict[str, Counter[str]] = {}

    def counted(self, texts: Iterable[tuple[str, str]]) -> Counter[str]:
        """In how many of the texts each term is; a text with two of its forms counts twice.

        Words of a single text count only where few texts have words in common: most words of
        a library are such, and to analyse them would take most of the time.
        """
        seen: Counter[tuple[str, str]] = Counter()
        for text, language in texts:
            seen.update({(word, language) for word in _WORD.findall(text)})
        repeated = Counter({pair: count for pair, count in seen.items() if count > 1})
        counted: Counter[str] = Counter()
        for (word, language), count in (repeated if len(repeated) >= _ENOUGH else seen).items():
            terms = self._terms(word.lower(), language)
            for term in terms:
                counted[term] += count
                self._forms.setdefault(term, Counter())[word if len(terms) == 1 else term] += count
        return counted

    def written(self, terms: Iterable[str]) -> tuple[str, ...]:
        """The first few terms in their most frequent form, none of which is part of another."""
        chosen: list[str] = []
        for term in terms:
            form = max(self._forms[term].items(), key=lambda pair: (pair[1], pair[0]))[0]
            lowered = form.lower()
            if not any(lowered in other.lower() or other.lower() in lowered for other in chosen):
                chosen.append(form)
            if len(chosen) == LABEL_WORDS:
                break
        return tuple(chosen)

    def _terms(self, word: str, language: str) -> tuple[str, ...]:
        known = self._known.get((word, language))
        if known is None:
            found = tuple(dict.fromkeys(self._content_words(word, language)))
            if len(found) > 1:  # a script without spaces: its pairs of characters are its words
                found = tuple(term for term in found if len(term) > 1)
            elif word.isascii() and len(word) < _SHORTEST:
                found = ()
            self._known[word, language] = known = found
        return known

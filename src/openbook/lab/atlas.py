"""An atlas: every chunk of a library as a point on a map, in clusters that have names.

    vectors → principal components → clusters with labels, and a layout in 2-D or 3-D

What is drawn at once takes two passes over the vectors, in flat memory; 50
numbers of each chunk stay. Measured on two cores:

    chunks                      seconds     megabytes that stay
    25,942 (mtrag-cloud)          1.1          5.2
    100,000 (made up)             6.8         20.0

With eight other busy processes it takes five to eight times as long.

Refused: to keep an atlas in the library's folder. It is made of texts and
vectors that may have to vanish without a trace, and is drawn again in seconds;
only the coordinates of a t-SNE, which take minutes, are kept (`serve/maps.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.index.analysis import analysis_of
from openbook.lab.clusters import Clusters, cluster, telling_words
from openbook.lab.projections import Basis, in_blocks, principal_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.library import Library
    from openbook.types import FloatMatrix

MOST_POINTS: Final = 250_000
"""Of more chunks, evenly many are left out: nobody sees more points, and a browser has to hold them."""
PLACED_BY: Final = 10
"""So many nearest chunks decide where a new point goes on a t-SNE."""
_SHARPNESS: Final = 40.0
"""How fast the say of a neighbour falls with its squared distance beyond the nearest one's.

Chunks placed as if they were new (`scripts/measure_map.py`) land 0.12 % (mtrag-cloud) and 0.52 % (r4ds) of
the map's width away from where t-SNE had put them, in the median; with equal weights 1.38 % and 1.74 %,
between the islands.
"""
_TEXTS: Final = 150
"""Chunks of a cluster whose words are counted for its label."""
_BATCH: Final = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """All points of a library. Rows of all arrays belong together, shape (n,) or (n, …).

    `version` is `Library.version` when it was drawn, `total` the number of
    chunks with a vector, of which `n` are on the map. `features` hold the
    principal components, most telling first; the first two or three of them
    are the map that can be drawn at once. `labels` hold a few words for each
    cluster.
    """

    version: tuple[int, int]
    chunk_ids: NDArray[np.int64]
    document_ids: NDArray[np.int64]
    features: FloatMatrix
    basis: Basis
    clusters: Clusters
    labels: tuple[tuple[str, ...], ...]
    total: int

    def __len__(self) -> int:
        return len(self.chunk_ids)

    def principal(self, dimensions: int) -> FloatMatrix:
        """The map by principal components, shape (n, dimensions)."""
        return flat(self.features, dimensions)

    def nearest(self, features: NDArray[np.float32], count: int = PLACED_BY) -> NDArray[np.int64]:
        """The rows of the chunks nearest to a new point, shape (kept,), nearest first."""
        distances = self._distances(features)
        count = min(count, len(distances))
        chosen = np.argpartition(distances, count - 1)[:count] if count else np.zeros(0, dtype=np.int64)
        return chosen[np.argsort(distances[chosen], kind="stable")]

    def place(self, features: NDArray[np.float32], layout: FloatMatrix) -> NDArray[np.float32]:
        """Where a new point goes on a layout, shape (n, d), that cannot project: (d,).

        It is the mean of its nearest chunks' places, each weighted by how much
        nearer it is than the others. (openTSNE's own `transform` begins in the
        same way, but would need its 100 MB of state in this process.)
        """
        rows = self.nearest(features)
        distances = self._distances(features)[rows]
        weights = np.exp(-_SHARPNESS * (distances - distances[0]))
        place: NDArray[np.float32] = (weights @ layout[rows] / weights.sum()).astype(np.float32)
        return place

    def _distances(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Squared distances from a point, shape (n,)."""
        away = self.features - features
        found: NDArray[np.float32] = np.einsum("ij,ij->i", away, away)
        return found


def draw(library: Library, *, most: int = MOST_POINTS) -> Atlas | None:
    """Draw the atlas of a library; None where no chunk has a vector yet.

    Takes seconds and reads all vectors twice (see the module). A writer may
    come between: `version` is that from before, so that what changed
    meanwhile makes the atlas an old one.
    """
    version = library.version()
    if next(iter(library.embeddings()), None) is None:
        return None
    basis = principal_components(vectors for _, _, vectors in library.embeddings())
    chunk_ids, document_ids, features = _features(library, basis, -(-basis.rows // most))
    clusters = cluster(features)
    return Atlas(
        version=version,
        chunk_ids=chunk_ids,
        document_ids=document_ids,
        features=features,
        basis=basis,
        clusters=clusters,
        labels=_labels(library, chunk_ids, clusters),
        total=basis.rows,
    )


def flat(coordinates: FloatMatrix, dimensions: int) -> FloatMatrix:
    """The first so many columns; columns of zeros stand for those that are not there."""
    missing = max(0, dimensions - coordinates.shape[1])
    return np.pad(coordinates[:, :dimensions], ((0, 0), (0, missing)))


def _features(
    library: Library, basis: Basis, stride: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatMatrix]:
    """Chunk ids, document ids and principal components of each `stride`-th chunk."""
    chunk_ids: list[NDArray[np.int64]] = []
    document_ids: list[NDArray[np.int64]] = []
    passed = 0

    def chosen() -> Iterator[NDArray[np.float16]]:
        nonlocal passed
        for document_id, ids, vectors in library.embeddings():
            first = -passed % stride
            passed += len(ids)
            chunk_ids.append(ids[first::stride])
            document_ids.append(np.full(len(chunk_ids[-1]), document_id, dtype=np.int64))
            yield vectors[first::stride]

    features = [basis.project(block) for block in in_blocks(chosen(), _BATCH)]
    return np.concatenate(chunk_ids), np.concatenate(document_ids), np.concatenate(features)


def _labels(
    library: Library, chunk_ids: NDArray[np.int64], clusters: Clusters
) -> tuple[tuple[str, ...], ...]:
    """The words of each cluster, from chunks taken evenly from all over it."""
    texts: dict[int, list[tuple[str, str]]] = {}
    for number in range(len(clusters.centres)):
        members = chunk_ids[clusters.labels == number]
        some = members[:: -(-len(members) // _TEXTS) or 1].tolist()
        texts[number] = [(record.text, record.language) for record in library.chunks(some).values()]
    words = telling_words(texts, lambda word, language: analysis_of(language).content_terms(word))
    return tuple(words[number] for number in range(len(clusters.centres)))

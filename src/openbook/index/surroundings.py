"""A chunk's vector borrows from its neighbours: the loss by splitting mostly comes back.

Pure arithmetic on the vectors of one document, in the order of its chunks.
Refused: storing mixed vectors in the ledger, which would make the weight part
of the truth, and mixing at search time, which would cost every search.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

REACH: Final = 2
"""Neighbours on each side; the weight of each further one is half of the one before."""

_STRETCH: Final = 4096
"""Rows mixed at once, so that a document of any length takes the same memory."""


def mix(vectors: NDArray[np.float16], weight: float) -> NDArray[np.float16]:
    """Return normalise(v + weight · mean of its neighbours) for each row v.

    `vectors` has shape (chunks, dimension), unit rows, in the document's order.
    The mean is weighted: 1 for the next chunk, 1/2 for the one after it, on
    both sides as far as there are any.
    """
    if weight == 0.0 or len(vectors) < 2:
        return vectors
    return np.concatenate(list(_mixed_stretches(vectors, weight)))


def _mixed_stretches(vectors: NDArray[np.float16], weight: float) -> Iterator[NDArray[np.float16]]:
    for start in range(0, len(vectors), _STRETCH):
        stop = min(start + _STRETCH, len(vectors))
        low, high = max(0, start - REACH), min(len(vectors), stop + REACH)
        mixed = _mix(vectors[low:high].astype(np.float32), weight)
        yield mixed[start - low : stop - low].astype(np.float16)


def _mix(vectors: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    total = np.zeros_like(vectors)
    weights = np.zeros((len(vectors), 1), dtype=np.float32)
    for distance in range(1, min(REACH, len(vectors) - 1) + 1):
        share = np.float32(0.5 ** (distance - 1))
        for to, of in ((slice(distance, None), slice(None, -distance)),
                       (slice(None, -distance), slice(distance, None))):  # fmt: skip
            total[to] += share * vectors[of]
            weights[to] += share
    mixed: NDArray[np.float32] = vectors + np.float32(weight) * total / weights
    length = np.linalg.norm(mixed, axis=1, keepdims=True)
    # opposite vectors may cancel out; such a chunk keeps its own
    return np.where(length > 1e-6, mixed / np.maximum(length, 1e-6), vectors)

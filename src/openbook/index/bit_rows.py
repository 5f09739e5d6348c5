"""The sign bits of all vectors in memory, and the scan that finds the nearest by Hamming distance.

Bits lie in blocks of columns: word j of 65,536 rows side by side. NumPy then
counts differing bits of a column of a block in one pass that stays in the
processor's cache: 1,000,000 rows of 384 bits take 5 ms on one core, a sixth of what
rows side by side take.

Refused: faiss (its scan takes 4 ms, but it is 40 MB of wheel, its import takes longer than
the scan, and its OpenMP threads took 130 ms where the cores were busy), and graphs, which must be
built and cannot be filtered exactly.

Values never change: a search goes on with the rows that it began with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from numpy.typing import NDArray

    Ids: TypeAlias = NDArray[np.int64]
    Words: TypeAlias = NDArray[np.uint64]

BLOCK: Final = 65_536
"""Rows in a block. Its columns (512 KB each) and counts fit into a second-level cache."""

_PART: Final = 256
"""Rows whose signs are made numbers at once: 400 KB of 384."""
MANY_BLOCKS: Final = 4
"""From so many blocks on, two threads scan: below, handing out the work costs more than it saves."""


def sign_bits(vectors: NDArray[np.floating]) -> Words:
    """Return the signs of (n, dimension) numbers as (n, words) of 64 bits; unused bits are 0."""
    packed = np.packbits(vectors > 0, axis=1)
    padded = np.zeros((len(vectors), 8 * word_count(vectors.shape[1])), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint64)


def word_count(dimension: int) -> int:
    """Number of 64-bit words that hold `dimension` bits."""
    return -(-dimension // 64)


def products(rows: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the product of each row with the query: `rows @ query`, but without BLAS.

    BLAS would start threads for it, and wait for them: 0.1 ms become 20 ms on a busy machine.
    """
    result: NDArray[np.float32] = np.einsum("ij,j->i", rows, query)
    return result


@dataclass(frozen=True, slots=True)
class BitRows:
    """Rows of bits with their chunk ids and their row numbers in the file of vectors.

    `ids` and `rows` have shape (n,); `blocks` have shape (words, up to
    `BLOCK`), all but the last one full. `order` sorts `ids`, None if they are
    sorted already.
    """

    ids: Ids
    rows: Ids
    blocks: tuple[Words, ...]
    order: Ids | None

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def empty(cls) -> BitRows:
        """No rows."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(nothing, nothing, (), None)

    @classmethod
    def of(cls, ids: Ids, rows: Ids, parts: Iterable[Words], before: BitRows | None = None) -> BitRows:
        """Return the rows of `before` and behind them these; the `parts` of bits have shape (any, words)."""
        blocks = list(before.blocks) if before else []
        for part in parts:
            _append(blocks, part)
        if before:
            ids, rows = np.concatenate([before.ids, ids]), np.concatenate([before.rows, rows])
        in_order = bool(np.all(ids[1:] > ids[:-1]))
        return cls(ids, rows, tuple(blocks), None if in_order else np.argsort(ids, kind="stable"))

    def without(self, rows: Ids) -> BitRows:
        """Return these rows less those with these row numbers."""
        kept = ~np.isin(self.rows, rows)
        if kept.all():
            return self
        living = (
            np.ascontiguousarray(block[:, kept[number * BLOCK : number * BLOCK + block.shape[1]]].T)
            for number, block in enumerate(self.blocks)
        )
        return BitRows.of(self.ids[kept], self.rows[kept], living)

    def positions(self, chunk_ids: Ids) -> Ids:
        """Return the positions of these chunks, in their order; those without a row are left out."""
        if not len(self):
            return np.zeros(0, dtype=np.int64)
        found = np.searchsorted(self.ids, chunk_ids, sorter=self.order)
        found = np.minimum(found, len(self) - 1)
        if self.order is not None:
            found = self.order[found]
        present: Ids = found[self.ids[found] == chunk_ids]
        return present

    def positions_within(self, chunk_ids: Ids) -> Ids:
        """Return the sorted positions of the rows whose chunk is among these (sorted) ids."""
        highest = int(chunk_ids[-1]) + 1 if len(chunk_ids) else 0
        if 8 * len(chunk_ids) < len(self) or highest > 16 * len(self):
            return np.sort(self.positions(chunk_ids))
        # many ids: a mark for each number up to the highest takes less time than looking each one up
        allowed = np.zeros(highest + 1, dtype=np.bool_)
        allowed[chunk_ids] = True
        return np.flatnonzero(allowed[np.minimum(self.ids, highest)])

    def bits_at(self, positions: Ids) -> Words:
        """Return the bits at these positions, shape (n, words)."""
        if len(self.blocks) == 1:
            return np.ascontiguousarray(np.take(self.blocks[0], positions, axis=1).T)
        found = np.empty((len(positions), self.blocks[0].shape[0] if self.blocks else 0), dtype=np.uint64)
        order = np.argsort(positions, kind="stable")
        edges = np.searchsorted(positions[order], np.arange(len(self.blocks) + 1) * BLOCK)
        for number, block in enumerate(self.blocks):
            chosen = order[edges[number] : edges[number + 1]]
            found[chosen] = np.take(block, positions[chosen] - number * BLOCK, axis=1).T
        return found

    def nearest(self, query: Words, count: int, positions: Ids | None = None) -> Ids:
        """Return the positions of the `count` rows with the fewest bits that differ from `query`.

        `query` has shape (words,). Only rows at `positions` count, where they are
        given (sorted). Of rows at the same distance those with lower chunk
        ids are taken. The result is sorted by position.
        """
        total = len(self) if positions is None else len(positions)
        if total <= count:
            return np.arange(total, dtype=np.int64) if positions is None else positions
        distances = self._distances(query) if positions is None else self._distances_at(query, positions)
        below = np.cumsum(np.bincount(distances))
        # the distance of the last row that fits in
        edge = int(np.searchsorted(below, count))
        chosen = distances < edge
        ties = np.flatnonzero(distances == edge)
        room = count - (int(below[edge - 1]) if edge else 0)
        chosen[self._lowest(ties, ties if positions is None else positions[ties], room)] = True
        found = np.flatnonzero(chosen)
        return found if positions is None else positions[found]

    def likeliest(self, query: NDArray[np.float32], count: int, positions: Ids) -> Ids:
        """Return those `count` of the positions whose rows promise the greatest products with `query`.

        The promise is the product of the query's numbers, shape (dimension,),
        with the row's signs: it knows which dimensions matter to the query,
        which a count of differing bits does not. The result is sorted.
        """
        if len(positions) <= count:
            return positions
        packed = self.bits_at(positions).view(np.uint8)
        promised = np.empty(len(positions), dtype=np.float32)
        # A part at a time, so that it does not leave the processor's cache.
        for start in range(0, len(positions), _PART):
            # Signs are 0 and 1 here, not -1 and 1, which changes all products alike.
            signs = np.unpackbits(packed[start : start + _PART], axis=1, count=len(query))
            promised[start : start + _PART] = products(signs.astype(np.float32), query)
        promised = promised.round(4)
        edge = np.partition(promised, len(promised) - count)[len(promised) - count]
        inside, ties = np.flatnonzero(promised > edge), np.flatnonzero(promised == edge)
        chosen = np.concatenate([inside, self._lowest(ties, positions[ties], count - len(inside))])
        return np.sort(positions[chosen])

    def _lowest(self, items: Ids, positions: Ids, count: int) -> Ids:
        """Return those `count` of the items whose rows, at these positions, have the lowest chunk ids."""
        if count >= len(items):
            return items
        return items[np.argpartition(self.ids[positions], count)[:count]]

    def _distances(self, query: Words) -> NDArray[np.uint16]:
        distances = np.empty(len(self), dtype=np.uint16)

        def count(number: int) -> None:
            block = self.blocks[number]
            _count_differences(block, query, distances[number * BLOCK : number * BLOCK + block.shape[1]])

        if len(self.blocks) < MANY_BLOCKS:
            for number in range(len(self.blocks)):
                count(number)
        else:
            # numpy lets go of the interpreter while it counts, so threads do share the work
            list(_side_by_side().map(count, range(len(self.blocks))))
        return distances

    def _distances_at(self, query: Words, positions: Ids) -> NDArray[np.uint16]:
        """Return the distances of the rows at sorted `positions`."""
        distances = np.empty(len(positions), dtype=np.uint16)
        edges = np.searchsorted(positions, np.arange(len(self.blocks) + 1) * BLOCK)
        for number, block in enumerate(self.blocks):
            start, stop = int(edges[number]), int(edges[number + 1])
            if start == stop:
                continue
            inside = positions[start:stop] - number * BLOCK
            if 4 * len(inside) > block.shape[1]:
                # picking columns costs more than counting some in vain
                whole = np.empty(block.shape[1], dtype=np.uint16)
                _count_differences(block, query, whole)
                distances[start:stop] = whole[inside]
            else:
                _count_differences(block[:, inside], query, distances[start:stop])
        return distances


@lru_cache(maxsize=1)
def _side_by_side() -> ThreadPoolExecutor:
    """Threads for scans, made by the first large one and kept: starting them costs more than a block."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(2, "openbook-scan")


def _count_differences(block: Words, query: Words, out: NDArray[np.uint16]) -> None:
    out[:] = np.bitwise_count(block[0] ^ query[0])
    for column, word in zip(block[1:], query[1:], strict=True):
        out += np.bitwise_count(column ^ word)


def _append(blocks: list[Words], bits: Words) -> None:
    """Put rows of bits, shape (n, words), behind the blocks; the last block may be replaced."""
    start = 0
    if blocks and blocks[-1].shape[1] < BLOCK:
        start = BLOCK - blocks[-1].shape[1]
        blocks[-1] = np.concatenate([blocks[-1], bits[:start].T], axis=1)
    blocks.extend(np.ascontiguousarray(bits[i : i + BLOCK].T) for i in range(start, len(bits), BLOCK))

"""Vector search against exact products, and the bit scan against counting bits one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from openbook.index.bit_rows import BLOCK, BitRows, sign_bits
from openbook.index.surroundings import mix

if TYPE_CHECKING:
    from tests.index_derived.conftest import Shelf


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    return rows


def slowly_mixed(vectors: NDArray[np.float16], weight: float) -> NDArray[np.float32]:
    """The definition, chunk by chunk."""
    rows = []
    for i, own in enumerate(vectors.astype(np.float64)):
        near = [(0.5 ** (abs(i - j) - 1), vectors[j].astype(np.float64)) for j in range(len(vectors))
                if 1 <= abs(i - j) <= 2]  # fmt: skip
        if near:
            own = own + weight * sum(w * v for w, v in near) / sum(w for w, _ in near)
        rows.append(own / np.linalg.norm(own))
    return np.array(rows, dtype=np.float32)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 20, 4095, 4096, 4097, 8200])
def test_a_row_is_its_vector_and_its_neighbours(count: int) -> None:
    random = np.random.default_rng(count)
    vectors = unit(random.standard_normal((count, 16))).astype(np.float16)
    for weight in (0.5, 1.0):
        assert np.allclose(mix(vectors, weight), slowly_mixed(vectors, weight), atol=2e-3)
    assert mix(vectors, 0.0) is vectors


def test_vectors_that_cancel_out_stay_as_they_are() -> None:
    one = np.zeros((2, 8), dtype=np.float16)
    one[0, 0], one[1, 0] = 1.0, -1.0
    assert np.array_equal(mix(one, 1.0), one)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_search_finds_the_nearest_with_their_cosines(shelf: Shelf, weight: float) -> None:
    ids: list[int] = []
    rows: list[NDArray[np.float32]] = []
    for number in range(60):
        texts = [f"text {number} {part} of {number * part % 7}" for part in range(number % 5 + 1)]
        ids += shelf.put(f"{number}.txt", texts)
        rows.append(slowly_mixed(shelf.vectors_of(texts), weight))
    shelf.embed()
    index = shelf.vectors(weight)
    index.catch_up(shelf.ledger)
    query = shelf.query("text 3 of 5")
    exact = dict(zip(ids, (np.concatenate(rows) @ query).tolist(), strict=True))
    found = index.search(query, limit=len(ids))
    assert dict(found) == pytest.approx(exact, abs=3e-3)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert index.search(query, limit=7) == found[:7]
    assert index.cosines(query, ids[::3]) == {i: dict(found)[i] for i in ids[::3]}
    assert index.cosines(query, [10**9]) == {}
    for within in (ids[:1], ids[5:50:4], ids, [10**9], []):
        allowed = [pair for pair in found if pair[0] in within]
        assert index.search(query, limit=5, within=np.array(within, dtype=np.int64)) == allowed[:5]


def test_equal_rows_come_in_the_order_of_their_ids(shelf: Shelf) -> None:
    ids = [i for number in range(30) for i in shelf.put(f"{number}.txt", ["the same text"])]
    shelf.embed()
    index = shelf.vectors()
    index.catch_up(shelf.ledger)
    assert [i for i, _ in index.search(shelf.query("the same"), limit=9)] == ids[:9]


def test_of_many_rows_the_scan_finds_nearly_all_of_the_nearest() -> None:
    random = np.random.default_rng(2)
    centres = random.standard_normal((150, 384))
    vectors = unit(centres[random.integers(0, 150, 30_000)] + 0.8 * random.standard_normal((30_000, 384)))
    queries = unit(centres[:50] + 0.8 * random.standard_normal((50, 384)))
    bits = BitRows.of(np.arange(30_000), np.arange(30_000), [sign_bits(vectors)])
    found = []
    for query in queries:
        screened = bits.nearest(sign_bits(query[np.newaxis])[0], 2000)
        rescored = bits.likeliest(query, 300, screened)
        exact = np.argsort(-(vectors @ query))[:10]
        found.append(np.isin(exact, rescored).mean())
    assert np.mean(found) >= 0.99


@pytest.mark.parametrize("dimension", [1, 63, 64, 65, 100, 384])
def test_the_scan_counts_the_bits_that_differ(dimension: int) -> None:
    random = np.random.default_rng(dimension)
    count = 2 * BLOCK + 77 if dimension == 100 else 700
    vectors = random.standard_normal((count, dimension)).astype(np.float32)
    ids = random.permutation(10 * count)[:count].astype(np.int64)
    # parts of uneven sizes, so that blocks are filled up
    parts = np.array_split(sign_bits(vectors), 7)
    bits = BitRows.of(ids, np.arange(count), parts)
    query = random.standard_normal(dimension).astype(np.float32)
    differing = ((vectors > 0) != (query > 0)).sum(axis=1)
    for positions in (None, np.sort(random.choice(count, 500, replace=False)), np.arange(count // 2)):
        chosen = np.arange(count) if positions is None else positions
        order = chosen[np.lexsort((ids[chosen], differing[chosen]))]
        nearest = bits.nearest(sign_bits(query[np.newaxis])[0], 50, positions)
        assert nearest.tolist() == sorted(order[:50].tolist())
    assert np.array_equal(bits.bits_at(np.arange(count)), sign_bits(vectors))
    assert bits.positions(ids[::-1]).tolist() == list(range(count))[::-1]
    assert bits.positions(np.array([-1, 10**12])).tolist() == []


def test_rows_taken_out_leave_the_others_in_place() -> None:
    random = np.random.default_rng(9)
    count = BLOCK + 500
    vectors = random.standard_normal((count, 70))
    bits = BitRows.of(np.arange(count) + 5, np.arange(count), [sign_bits(vectors)])
    gone = np.sort(random.choice(count, 900, replace=False))
    left = bits.without(gone)
    kept = np.setdiff1d(np.arange(count), gone)
    assert left.rows.tolist() == kept.tolist()
    assert left.ids.tolist() == (kept + 5).tolist()
    assert np.array_equal(left.bits_at(np.arange(len(kept))), sign_bits(vectors[kept]))
    assert all(block.shape[1] == BLOCK for block in left.blocks[:-1])
    assert left.without(np.array([], dtype=np.int64)) is left


def test_an_index_without_rows_finds_nothing(shelf: Shelf) -> None:
    index = shelf.vectors()
    assert index.search(shelf.query("x"), limit=3) == []
    index.catch_up(shelf.ledger)
    assert index.search(shelf.query("x"), limit=3) == []
    assert index.search(shelf.query("x"), limit=3, within=np.array([1])) == []
    assert index.cosines(shelf.query("x"), [1]) == {}
    assert (index.count, index.check(shelf.ledger)) == (0, [])

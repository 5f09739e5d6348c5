"""The quick ways to rows and their numbers give what the plain ways give, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from openbook.index import vector_file
from openbook.index.row_files import Header, Loaded, RowFiles
from openbook.index.vectors import Rows
from openbook.index.widening import widened

BEGINNING = Header("library", 1, 96, 0.5)
EVERY_NUMBER = np.arange(65_536, dtype=np.uint16).view(np.float16)


def bits_of(numbers: NDArray[np.float32]) -> NDArray[np.uint32]:
    return numbers.view(np.uint32)


def test_every_finite_number_is_widened_exactly() -> None:
    finite = EVERY_NUMBER[np.isfinite(EVERY_NUMBER)]
    assert len(finite) == 63_488
    assert np.array_equal(bits_of(widened(finite)), bits_of(finite.astype(np.float32)))


@pytest.mark.parametrize("odd", EVERY_NUMBER[~np.isfinite(EVERY_NUMBER)][::97])
def test_infinities_and_what_is_no_number_stay_so(odd: np.float16) -> None:
    row = np.array([[0.5, -0.25, odd, -0.0]], dtype=np.float16)
    assert np.array_equal(bits_of(widened(row)), bits_of(row.astype(np.float32)))


def test_nothing_is_widened_to_nothing() -> None:
    assert widened(np.zeros((0, 96), dtype=np.float16)).shape == (0, 96)


def test_the_nearest_rows_are_the_sorted_cosines() -> None:
    random = np.random.default_rng(5)
    vectors = random.standard_normal((300, 16)).astype(np.float32)
    vectors[40] = vectors[3] = vectors[250]  # equal ones come by their ids
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[7, 2] = np.inf
    rows = Rows(random.permutation(1000)[:300].astype(np.int64), vectors)
    query = vectors[250]
    slowly = sorted(rows.cosines(query).items(), key=lambda pair: (-pair[1], pair[0]))
    for limit in (1, 2, 3, 4, 100, 300, 500):
        assert rows.nearest(query, limit) == slowly[:limit]


def filled(folder: Path, count: int) -> tuple[RowFiles, NDArray[np.float16]]:
    vectors = np.random.default_rng(1).standard_normal((count, 96)).astype(np.float16)
    files = RowFiles(folder)
    with files.writing(BEGINNING) as writer:
        writer.add(np.arange(count), vectors)
        writer.commit(1)
    return files, vectors


def often(loaded: Loaded, rows: NDArray[np.int64]) -> NDArray[np.float16]:
    for _ in range(vector_file._OFTEN + 10):
        found = loaded.vectors.recall(rows)
    return found


@pytest.mark.parametrize("at_once", [1000, 200, 150, 67])
def test_a_small_file_is_kept_where_it_is_asked_for_often(
    at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_file, "_KEPT_AT_ONCE", at_once)
    files, vectors = filled(tmp_path, 200)
    loaded = files.load()
    some = np.array([0, 1, 2, 77, 90, 91, 199])
    for _ in range(vector_file._OFTEN):
        assert np.array_equal(loaded.vectors.recall(some), vectors[some])
    assert not loaded.vectors._held
    assert np.array_equal(often(loaded, some), vectors[some])
    files.path(loaded.header, "vectors").write_bytes(bytes(200 * 96 * 2))
    assert np.array_equal(loaded.vectors.recall(some), vectors[some])
    assert loaded.vectors.recall(np.array([], dtype=np.int64)).shape == (0, 96)
    # Who checks the file wants to know what is in the file.
    assert not loaded.vectors.read(some).any()


def test_rows_that_were_added_later_are_found_too(tmp_path: Path) -> None:
    files, vectors = filled(tmp_path, 200)
    before = files.load()
    often(before, np.arange(200))
    more = -vectors[:50]
    with files.writing(before.header) as writer:
        writer.add(np.arange(200, 250), more)
        writer.commit(2)
    after = files.load(before)
    both = np.array([3, 199, 200, 249])
    expected = np.concatenate([vectors, more])[both]
    assert np.array_equal(after.vectors.recall(both), expected)
    assert np.array_equal(often(after, both), expected)


def test_a_large_file_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_file, "_KEPT_BYTES", 200 * 96 * 2 - 1)
    files, vectors = filled(tmp_path, 200)
    loaded = files.load()
    assert np.array_equal(often(loaded, np.arange(200)), vectors)
    files.path(loaded.header, "vectors").write_bytes(bytes(200 * 96 * 2))
    assert not loaded.vectors.recall(np.arange(200)).any()

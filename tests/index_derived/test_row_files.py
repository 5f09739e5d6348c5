"""A crash between writing and committing leaves the old state; a reader never sees half of anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from openbook.index.row_files import Header, RowFiles, Unusable

if TYPE_CHECKING:
    from tests.index_derived.conftest import Shelf

BEGINNING = Header("library", 1, 96, 0.5)


def rows(count: int, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float16]]:
    return np.random.default_rng(seed).standard_normal((count, 96)).astype(np.float16)


def written(folder: Path) -> RowFiles:
    files = RowFiles(folder)
    with files.writing(BEGINNING) as writer:
        writer.add(np.arange(10), rows(10))
        writer.commit(7)
    return files


def test_what_was_committed_is_loaded(tmp_path: Path) -> None:
    files = written(tmp_path)
    loaded = files.load()
    assert (loaded.header.sequence, loaded.header.rows) == (7, 10)
    assert np.array_equal(loaded.vectors.read(np.arange(10)), rows(10))
    assert np.array_equal(loaded.vectors.read(np.array([1, 2, 5, 9])), rows(10)[[1, 2, 5, 9]])
    assert loaded.vectors.read(np.array([], dtype=np.int64)).shape == (0, 96)


def test_without_a_commit_nothing_has_happened(tmp_path: Path) -> None:
    files = written(tmp_path)
    with files.writing(files.header()) as writer:
        writer.add(np.arange(10, 15), rows(5, 1))
        writer.remove(np.array([0, 3]))
    again = files.load()
    assert again.bits.ids.tolist() == list(range(10))
    # the next writer cuts off what the crashed one left
    with files.writing(files.header()) as writer:
        writer.add(np.array([99]), rows(1, 2))
        writer.commit(8)
    loaded = files.load()
    assert loaded.bits.ids.tolist() == [*range(10), 99]
    assert np.array_equal(loaded.vectors.read(np.array([10])), rows(1, 2))


def test_removed_rows_are_erased_even_if_a_crash_came_first(tmp_path: Path) -> None:
    files = written(tmp_path)
    with files.writing(files.header()) as writer:
        writer.remove(np.array([2, 3, 7]))
        writer.commit(8)
    header = files.header()
    assert header.erased == 3
    # as after a crash between the two headers: the rows are still there, and not known to be erased
    (tmp_path / "0.vectors").write_bytes(rows(10).tobytes())
    old = (tmp_path / "header.json").read_text(encoding="utf-8").replace('"erased": 3', '"erased": 0')
    (tmp_path / "header.json").write_text(old, encoding="utf-8")
    assert files.load().bits.ids.tolist() == [0, 1, 4, 5, 6, 8, 9]
    with files.writing(files.header()) as writer:
        writer.commit(9)
    content = np.fromfile(tmp_path / "0.vectors", dtype=np.float16).reshape(-1, 96)
    assert not content[[2, 3, 7]].any()
    assert np.array_equal(content[[0, 1, 4]], rows(10)[[0, 1, 4]])
    assert files.load().bits.ids.tolist() == [0, 1, 4, 5, 6, 8, 9]


def test_an_earlier_state_grows_into_the_newest(tmp_path: Path) -> None:
    files = written(tmp_path)
    state = files.load()
    for step in range(1, 6):
        with files.writing(files.header()) as writer:
            writer.add(np.arange(10 * step, 10 * step + 10), rows(10, step))
            writer.remove(np.array([step, 10 * step + 1]))
            writer.commit(7 + step)
        state = files.load(state)
        fresh = files.load()
        assert state.header == fresh.header
        assert state.bits.ids.tolist() == fresh.bits.ids.tolist()
        assert state.bits.rows.tolist() == fresh.bits.rows.tolist()
        every = np.arange(len(fresh.bits))
        assert np.array_equal(state.bits.bits_at(every), fresh.bits.bits_at(every))


def test_a_new_epoch_replaces_the_files_of_the_old(tmp_path: Path) -> None:
    files = written(tmp_path)
    before = files.load()
    with files.writing(Header("library", 1, 96, 0.5, epoch=files.next_epoch())) as writer:
        writer.add(np.array([5]), rows(1, 5))
        writer.commit(9)
    assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == {"1", "header"}
    assert files.load(before).bits.ids.tolist() == [5]
    # who still searches the old state can read its rows
    assert np.array_equal(before.vectors.read(np.arange(10)), rows(10))


def test_a_header_of_another_version_is_refused(tmp_path: Path) -> None:
    files = written(tmp_path)
    text = (tmp_path / "header.json").read_text(encoding="utf-8")
    for broken in ("", "[]", "{}", "null", text.replace('"format": 1', '"format": 99'), text[:40]):
        (tmp_path / "header.json").write_text(broken, encoding="utf-8")
        with pytest.raises(Unusable):
            files.load()


def test_another_weight_makes_the_rows_anew(shelf: Shelf) -> None:
    shelf.put("a.txt", ["one", "two", "three"])
    shelf.embed()
    plain = shelf.vectors(0.0)
    plain.catch_up(shelf.ledger)
    mixed = shelf.vectors(1.0)
    assert "weight" in mixed.note
    mixed.catch_up(shelf.ledger)
    query = shelf.query("one")
    assert mixed.search(query, limit=3) != plain.search(query, limit=3)
    assert (mixed.check(shelf.ledger), mixed.note != "") == ([], False)

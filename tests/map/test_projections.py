"""Principal components against a singular value decomposition, and t-SNE in its process."""

from __future__ import annotations

import importlib.util
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbook.errors import UsageError
from openbook.lab import projections
from openbook.lab.projections import (
    Cancelled,
    LayoutFailed,
    TsneRun,
    principal_components,
    tsne_refusal,
    window,
)
from tests.map.made import blobs


def oracle(rows: np.ndarray, kept: int) -> np.ndarray:
    """Principal components by the decomposition of the centred rows themselves, signs as in the module."""
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[:kept]
    widest = np.argmax(np.abs(directions), axis=1)
    directions = directions * np.sign(directions[np.arange(len(directions)), widest])[:, None]
    return np.asarray(centred @ directions.T)


def test_principal_components_are_those_of_a_decomposition() -> None:
    chance = np.random.default_rng(1)
    rows = (chance.normal(size=(700, 20)) * np.linspace(5, 0.1, 20)).astype(np.float32)
    basis = principal_components([rows], kept=6)
    assert basis.rows == 700
    assert np.allclose(basis.project(rows), oracle(rows, 6), atol=2e-3)
    centred = rows - rows.mean(axis=0)
    variance = np.linalg.svd(centred, compute_uv=False) ** 2
    assert np.allclose(basis.shares, (variance / variance.sum())[:6], atol=1e-4)


@given(cuts=st.lists(st.integers(0, 300), max_size=5), kept=st.integers(1, 8))
@settings(max_examples=30)
def test_it_does_not_matter_how_the_rows_were_cut_into_batches(cuts: list[int], kept: int) -> None:
    rows, _ = blobs(3, 100, dimension=8)
    whole = principal_components([rows], kept=kept)
    parts = [part for part in np.split(rows, sorted(cuts)) if len(part)]
    pieces = principal_components(iter(parts), kept=kept)
    assert np.allclose(whole.project(rows), pieces.project(rows), atol=1e-3)


def test_rows_that_are_all_the_same_lie_at_one_point() -> None:
    basis = principal_components([np.ones((5, 4), dtype=np.float16) / 2])
    assert basis.directions.shape == (4, 4)
    assert np.allclose(basis.project(np.ones((1, 4)) / 2), 0, atol=1e-5)
    assert not basis.shares.round(5).any()


def test_no_rows_have_no_components() -> None:
    with pytest.raises(UsageError, match="no vectors"):
        principal_components([])


def test_a_window_shows_nearly_all_and_is_not_stretched_by_one_stray_point() -> None:
    rows, _ = blobs(4, 200, dimension=2)
    calm = window(rows)
    stray = window(np.concatenate([rows, [[9_000.0, -9_000.0]]]).astype(np.float32))
    assert stray.half < 1.2 * calm.half
    inside = np.abs(rows - np.array(calm.centre)) <= calm.half * 1.2
    assert inside.all(axis=1).mean() > 0.97
    assert window(np.zeros((3, 2), dtype=np.float32)).half == 1.0
    assert window(np.zeros((0, 3), dtype=np.float32)).centre == (0.0, 0.0, 0.0)


def test_tsne_keeps_groups_together_and_tells_how_far_it_is() -> None:
    rows, groups = blobs(3, 20)
    seen: list[float] = []
    places = TsneRun(rows, progress=seen.append).coordinates()
    assert places.shape == (60, 2)
    away = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(away, np.inf)
    assert np.array_equal(groups[np.argmin(away, axis=1)], groups)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_a_tsne_can_be_cancelled_before_and_while_it_runs() -> None:
    rows, _ = blobs(3, 400)
    before = TsneRun(rows)
    before.cancel()
    with pytest.raises(Cancelled):
        before.coordinates()
    for moment in (0.0, 0.05, 0.3):  # while the vectors are handed over, while Python starts
        early = TsneRun(rows)
        alarm = threading.Timer(moment, early.cancel)
        alarm.start()
        with pytest.raises(Cancelled):
            early.coordinates()
        alarm.join()
    begun = threading.Event()

    def progress(share: float) -> None:
        begun.set()
        run.cancel()

    run = TsneRun(rows, progress=progress)
    with pytest.raises(Cancelled):
        run.coordinates()
    assert begun.is_set()


def test_a_process_that_fails_says_why() -> None:
    rows, _ = blobs(2, 10)
    rows[3, 2] = np.nan
    with pytest.raises(LayoutFailed, match=r"t-SNE ended without a map: .*NaN"):
        TsneRun(rows).coordinates()


def test_a_process_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projections, "TSNE_SECONDS", 0.001)
    rows, _ = blobs(2, 10)
    with pytest.raises(LayoutFailed, match="took more than"):
        TsneRun(rows).coordinates()


def test_it_is_said_why_there_is_no_tsne(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tsne_refusal(1_000) == ""
    assert "at least 10" in tsne_refusal(4)
    assert "at most 250,000" in tsne_refusal(10_000_000)
    found = importlib.util.find_spec
    monkeypatch.setattr(projections, "find_spec", lambda name: None if name == "openTSNE" else found(name))
    assert 'pip install "openbook[map]"' in tsne_refusal(1_000)
    with pytest.raises(UsageError, match="openbook"):
        TsneRun(blobs(2, 10)[0]).coordinates()
    assert "openTSNE" not in sys.modules, "t-SNE runs in its own process"

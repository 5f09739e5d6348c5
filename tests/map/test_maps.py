"""The maps of a desk: drawn in the background, kept where they cost minutes, thrown away in time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openbook.errors import LibraryError, UsageError
from openbook.lab import projections
from openbook.library import Library
from openbook.serve import maps as maps_module
from openbook.serve.map_shapes import MapSummary
from openbook.serve.maps import FOLDER, Maps
from tests.map.made import topics


class QuickRun:
    """Stands for a t-SNE that takes no time, and counts how often one ran."""

    runs = 0
    waiting: threading.Event | None = None

    def __init__(self, features: Any, *, progress: Callable[[float], None]) -> None:
        self._count = len(features)
        self._progress = progress
        self._stop = threading.Event()

    def coordinates(self) -> Any:
        type(self).runs += 1
        self._progress(0.5)
        if self.waiting is not None:
            self._stop.wait()
            raise projections.Cancelled("The layout was cancelled.")
        return np.arange(2 * self._count, dtype=np.float32).reshape(-1, 2)

    def cancel(self) -> None:
        self._stop.set()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> type[QuickRun]:
    """t-SNE that takes no time, and no rest between two drawings."""
    monkeypatch.setattr(QuickRun, "runs", 0)
    monkeypatch.setattr(QuickRun, "waiting", None)
    monkeypatch.setattr(projections, "TsneRun", QuickRun)
    monkeypatch.setattr(maps_module, "_REST", 0.0)
    monkeypatch.setattr(maps_module, "_LEAST_REST", 0.0)
    return QuickRun


@pytest.fixture
def maps(library: Library) -> Iterator[Maps]:
    """The maps of a library of 60 chunks, nothing hidden."""
    with_maps = Maps(library, "topics", frozenset)
    yield with_maps
    with_maps.close()


def until(maps: Maps, state: str, method: Any = "pca") -> MapSummary:
    """Ask until the map has this state. It is drawn by one thread, so asking again and again is safe."""
    summary = maps.summary(method, 2)
    while summary.state != state:
        drawing, thread = maps._drawing, maps._tsne_thread
        if drawing is not None:
            drawing.result()
        elif thread is not None and summary.state == "computing":
            thread.join(20)
        else:
            assert summary.state == "computing", f"{summary.state} instead of {state}: {summary.note}"
        summary = maps.summary(method, 2)
    return summary


def ids_of(content: bytes, dimensions: int = 2) -> list[int]:
    count = len(content) // (4 * dimensions + 10)
    ids = np.frombuffer(content, "<u4", count, offset=4 * count * (dimensions + 1))
    return [int(number) for number in ids]


def test_a_map_is_drawn_when_it_is_asked_for(maps: Maps, library: Library) -> None:
    first = maps.summary("pca", 2)
    assert first.state == "computing"
    assert maps.points("pca", 3) is None or first.version
    ready = until(maps, "ready")
    assert (ready.count, ready.total, ready.document_count) == (60, 60, 60)
    assert sum(one.chunks for one in ready.clusters) == 60
    assert all(len(one.words) == 3 for one in ready.clusters)
    assert {one.path for one in ready.documents} == {record.path for record in library.documents()}
    assert len(ready.centre) == len(ready.shares) == 2


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_bytes_of_the_points_say_what_the_atlas_does(maps: Maps, dimensions: int) -> None:
    until(maps, "ready")
    found = maps.points("pca", dimensions)
    drawn = maps._drawn
    assert found is not None
    assert drawn is not None
    content, version = found
    count = len(drawn.atlas)
    assert len(content) == count * (4 * dimensions + 10)
    coordinates = np.frombuffer(content, "<f4", count * dimensions).reshape(count, dimensions)
    assert np.array_equal(coordinates, drawn.atlas.principal(dimensions))
    numbers = np.frombuffer(content, "<u4", count, offset=4 * count * dimensions)
    summary = maps.summary("pca", dimensions)
    assert [summary.documents[number].id for number in numbers] == drawn.atlas.document_ids.tolist()
    assert ids_of(content, dimensions) == drawn.atlas.chunk_ids.tolist()
    clusters = np.frombuffer(content, "<u2", count, offset=4 * count * (dimensions + 2))
    assert np.array_equal(clusters, drawn.atlas.clusters.labels)
    assert version == summary.version


def test_an_empty_library_has_an_empty_map(empty_library: Library) -> None:
    maps = Maps(empty_library, "empty", frozenset)
    assert until(maps, "empty").count == 0
    assert maps.points("pca", 2) is None
    with pytest.raises(UsageError, match="no map yet"):
        maps.start_tsne()
    maps.close()


def test_what_changes_in_the_library_changes_the_map(maps: Maps, library: Library) -> None:
    before = until(maps, "ready")
    library.remove("garden/*")
    asked = maps.summary("pca", 2)
    assert asked.outdated, "the old map is shown until the new one is there"
    assert asked.version == before.version
    assert maps._drawing is not None
    maps._drawing.result()
    after = until(maps, "ready")
    assert (after.count, after.outdated) == (40, False)
    assert after.version != before.version


def test_a_map_rests_between_drawings(maps: Maps, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps_module, "_LEAST_REST", 1e9)
    until(maps, "ready")
    library.remove("garden/00.txt")
    assert maps.summary("pca", 2).outdated
    assert maps._drawing is None


def test_what_is_being_removed_is_not_shown(library: Library) -> None:
    hidden: set[int] = set()
    maps = Maps(library, "topics", lambda: frozenset(hidden))
    before = until(maps, "ready")
    first = before.documents[0]
    hidden.add(first.id)
    after = maps.summary("pca", 2)
    assert after.count == 59
    assert after.document_count == 59
    assert first.path not in {one.path for one in after.documents}
    assert after.version != before.version
    found = maps.points("pca", 2)
    assert found is not None
    assert len(ids_of(found[0])) == 59
    maps.close()


def test_a_tsne_runs_when_it_is_asked_for_and_is_kept(
    maps: Maps, library: Library, quick: type[QuickRun]
) -> None:
    until(maps, "ready")
    assert maps.summary("tsne", 2).state == "waiting"
    assert maps.points("tsne", 2) is None
    maps.start_tsne()
    ready = until(maps, "ready", "tsne")
    assert ready.shares == ()
    found = maps.points("tsne", 2)
    assert found is not None
    maps.start_tsne()
    assert quick.runs == 1
    assert maps.points("tsne", 3) is None
    (file,) = (library.path / FOLDER).iterdir()
    assert file.stat().st_size == 8 * 60
    again = Maps(library, "topics", frozenset)
    until(again, "ready")
    assert again.points("tsne", 2) == found, "another server finds it on the disk"
    assert quick.runs == 1
    library.remove("garden/*")
    until(again, "ready")
    maps_now = again.summary("tsne", 2)
    while maps_now.outdated:
        if again._drawing is not None:
            again._drawing.result()
        maps_now = again.summary("tsne", 2)
    assert maps_now.state == "waiting", "a t-SNE of another library is none"
    assert not list((library.path / FOLDER).iterdir()), "and is deleted"
    again.close()


@pytest.mark.parametrize("damage", [b"", b"\x00" * 7, b"\xff" * 480, b"\x00" * 481])
def test_a_damaged_file_is_no_map(library: Library, damage: bytes) -> None:
    first = Maps(library, "topics", frozenset)
    until(first, "ready")
    first.start_tsne()
    until(first, "ready", "tsne")
    first.close()
    (file,) = (library.path / FOLDER).iterdir()
    file.write_bytes(damage)
    again = Maps(library, "topics", frozenset)
    until(again, "ready")
    assert again.summary("tsne", 2).state == "waiting"
    again.close()


def test_where_nothing_can_be_written_the_map_is_shown_and_says_so(maps: Maps, library: Library) -> None:
    until(maps, "ready")
    (library.path / FOLDER).write_text("in the way")
    maps.start_tsne()
    assert "could not be kept" in until(maps, "ready", "tsne").note


def test_a_tsne_can_be_stopped_and_begun_again(maps: Maps, quick: type[QuickRun]) -> None:
    until(maps, "ready")
    quick.waiting = threading.Event()
    maps.start_tsne()
    assert maps.summary("tsne", 2).state == "computing"
    maps.cancel_tsne()
    assert maps._tsne_thread is not None
    maps._tsne_thread.join(20)
    assert maps.summary("tsne", 2).state == "cancelled"
    quick.waiting = None
    maps.start_tsne()
    assert until(maps, "ready", "tsne").count == 60


def test_closing_stops_what_runs(library: Library, quick: type[QuickRun]) -> None:
    maps = Maps(library, "topics", frozenset)
    until(maps, "ready")
    quick.waiting = threading.Event()
    maps.start_tsne()
    maps.close()
    assert maps._tsne_thread is not None
    assert not maps._tsne_thread.is_alive()
    maps.start_tsne()
    assert not maps._tsne_thread.is_alive()


def test_without_the_extra_it_is_said_what_to_install(maps: Maps, monkeypatch: pytest.MonkeyPatch) -> None:
    until(maps, "ready")
    monkeypatch.setattr(projections, "find_spec", lambda _: None)
    summary = maps.summary("tsne", 2)
    assert summary.state == "unavailable"
    assert "openbook[map]" in summary.note
    with pytest.raises(UsageError, match="openbook"):
        maps.start_tsne()


def test_a_question_is_placed_on_both_layouts(maps: Maps) -> None:
    until(maps, "ready")
    drawn = maps._drawn
    assert drawn is not None
    place = maps.place("wheel brake spoke pedal", "pca", 3)
    assert place is not None
    assert len(place) == 3
    layout = drawn.atlas.principal(3)
    nearest = int(np.argmin(np.linalg.norm(layout - np.array(place), axis=1)))
    assert drawn.documents[drawn.numbers[nearest]].path.startswith("bicycle/")
    assert maps.place("wheel", "tsne", 2) is None
    maps.start_tsne()
    until(maps, "ready", "tsne")
    among = maps.place("wheel", "tsne", 2)
    assert among is not None
    assert len(among) == 2


@pytest.mark.parametrize(("error", "note"), [
    (LibraryError("The ledger is gone."), "The ledger is gone."),
    (RuntimeError("secret"), "The map could not be drawn"),
])  # fmt: skip
def test_a_failure_is_told_and_tried_again(
    maps: Maps, library: Library, monkeypatch: pytest.MonkeyPatch, error: Exception, note: str
) -> None:
    def broken() -> Iterator[Any]:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(library, "embeddings", broken)
        patch.setattr(maps_module, "_LEAST_REST", 1e9)
        assert note in until(maps, "failed").note
    maps._rest_until = 0.0
    maps.summary("pca", 2)
    assert until(maps, "ready").note == ""


def test_no_text_of_the_library_is_kept_on_the_disk(maps: Maps, library: Library) -> None:
    until(maps, "ready")
    maps.start_tsne()
    until(maps, "ready", "tsne")
    content = b"".join(path.read_bytes() for path in (library.path / FOLDER).iterdir())
    for document in topics():
        assert document.text.split()[6].encode() not in content


def test_a_folder_of_maps_that_cannot_be_cleared_is_left(library: Library, tmp_path: Path) -> None:
    folder = library.path / FOLDER
    folder.mkdir()
    (folder / "tsne-0-0-00000000.f32").mkdir()
    maps = Maps(library, "topics", frozenset)
    assert until(maps, "ready").count == 60
    maps.close()

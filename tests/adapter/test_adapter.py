"""Adapters: learned where there is something to learn, kept with the library, used where they fit."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from openbook import Library, Settings
from openbook.adapting import Adapter, adapter_of, read_adapter, written
from openbook.embed import HashEmbedder
from openbook.errors import LibraryDamaged, UsageError
from openbook.lab.adapter import Pair, choices_of, closed_form, gradient, learn_adapter, loss_of, slope_of
from openbook.lab.tuning_questions import Asked, shuffled
from tests.tune.libraries import foreign_library, rankings


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[tuple[Library, tuple[Asked, ...]]]:
    library, asked = foreign_library(tmp_path / "library")
    with library:
        yield library, asked


def an_adapter(dimension: int = 96, fingerprint: str = "hash-96-1") -> Adapter:
    change = np.random.default_rng(1).normal(0, 0.2, (dimension, dimension))
    return adapter_of(np.eye(dimension) + change, fingerprint)


def pairs(count: int = 12, dimension: int = 6) -> list[Pair]:
    chance = np.random.default_rng(2)

    def unit(rows: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        drawn = chance.normal(size=(rows, dimension))
        found: np.ndarray[tuple[int, int], np.dtype[np.float32]] = (
            drawn / np.linalg.norm(drawn, axis=1)[:, None]
        )
        return found.astype(np.float32)

    return [Pair(unit(1)[0], unit(2), unit(5)) for _ in range(count)]


def test_a_gap_between_vocabularies_is_learned_and_undone(
    foreign: tuple[Library, tuple[Asked, ...]],
) -> None:
    library, asked = foreign
    before = list(rankings(library, asked))
    learned = learn_adapter(library, asked)
    assert learned.adopted
    assert learned.test is not None
    assert learned.test.low > 0.1
    assert any("Questions are adapted" in note for note in library.search(asked[0].text).notes)
    assert list(rankings(library, asked)) != before
    assert (
        library.status()
        .tunings[0]
        .endswith(f"adapter default → {learned.adapter.id if learned.adapter else ''}")
    )
    assert library.undo_tuning().after["adapter"] is not None
    assert list(rankings(library, asked)) == before
    assert library.search(asked[0].text).notes == ()


def test_what_is_kept_is_gone_from_the_ledger_after_undo(
    foreign: tuple[Library, tuple[Asked, ...]],
) -> None:
    library, _ = foreign
    library.adopt({}, adapter=an_adapter())
    library.undo_tuning()
    with sqlite3.connect(library.path / "ledger.sqlite") as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM settings")]
    connection.close()
    assert sorted(names) == ["chunk_tokens", "cosine_weight", "surroundings_weight"]


@pytest.mark.parametrize("seed", range(2))
def test_shuffled_labels_adopt_nothing(foreign: tuple[Library, tuple[Asked, ...]], seed: int) -> None:
    library, asked = foreign
    assert not learn_adapter(library, shuffled(asked, seed=seed), seed=seed).adopted


def test_it_goes_along_in_an_export(foreign: tuple[Library, tuple[Asked, ...]], tmp_path: Path) -> None:
    library, asked = foreign
    library.adopt({}, adapter=an_adapter())
    expected = list(rankings(library, asked[:20]))
    file = library.export(tmp_path / "library.zip")
    with Library.import_(file, tmp_path / "elsewhere", settings=Settings(embedder="hash:96")) as other:
        assert list(rankings(other, asked[:20])) == expected


def test_a_follow_up_is_adapted_after_it_was_blended(foreign: tuple[Library, tuple[Asked, ...]]) -> None:
    from openbook.types import Exchange

    library, asked = foreign
    history = [Exchange(asked[1].text)]
    library.adopt({}, adapter=adapter_of(np.eye(96), "hash-96-1"))
    plain = library.search(asked[0].text, history=history).hits
    library.undo_tuning()
    assert library.search(asked[0].text, history=history).hits == plain
    library.adopt({}, adapter=an_adapter())
    assert library.search(asked[0].text, history=history).hits != plain


def test_another_models_vectors_are_never_adapted(foreign: tuple[Library, tuple[Asked, ...]]) -> None:
    library, asked = foreign
    before = list(rankings(library, asked[:5]))
    library.adopt({}, adapter=an_adapter(fingerprint="another model"))
    assert list(rankings(library, asked[:5])) == before
    assert "another model" in library.search(asked[0].text).notes[0]
    library.adopt({}, adapter=an_adapter(dimension=8))
    assert list(rankings(library, asked[:5])) == before


@pytest.mark.parametrize("damage", ["numbers", "json", "gone", "other"])
def test_a_damaged_adapter_is_ignored_with_a_note(
    foreign: tuple[Library, tuple[Asked, ...]], damage: str
) -> None:
    library, asked = foreign
    before = list(rankings(library, asked[:5]))
    adapter = an_adapter()
    library.adopt({}, adapter=adapter)
    text = written(adapter)
    stored = {
        "numbers": text.replace("A", "B", 50),
        "json": text[: len(text) // 2],
        "gone": "",
        "other": written(an_adapter(dimension=5)),
    }[damage]
    path = library.path
    library.close()
    with sqlite3.connect(path / "ledger.sqlite") as connection:
        name = f"kept:adapter:{adapter.id}"
        if damage == "gone":
            connection.execute("DELETE FROM settings WHERE name = ?", (name,))
        else:
            connection.execute("UPDATE settings SET value = ? WHERE name = ?", (stored, name))
    connection.close()
    with Library(path, settings=Settings(embedder="hash:96")) as again:
        assert list(rankings(again, asked[:5])) == before
        assert "is not used" in again.search(asked[0].text).notes[0]
        again.undo_tuning()
        assert again.search(asked[0].text).notes == ()


def test_written_and_read_it_is_the_same() -> None:
    adapter = an_adapter(dimension=7)
    again = read_adapter(written(adapter))
    assert again.id == adapter.id
    assert again.fingerprint == adapter.fingerprint
    assert np.array_equal(again.change, adapter.change)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"dimension": 8},
        {"dimension": 10**9},
        {"fingerprint": "other"},
        {"numbers": "!"},
        {"numbers": None},
        {"blake2b": "0"},
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(LibraryDamaged):
        read_adapter(json.dumps(json.loads(written(an_adapter(dimension=7))) | change))


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, "null", '{"version": 1}'])
def test_what_is_no_adapter_is_refused(text: str) -> None:
    with pytest.raises(LibraryDamaged):
        read_adapter(text)


def test_only_finite_squares_are_adapters() -> None:
    with pytest.raises(UsageError, match="square"):
        Adapter("f", np.zeros((2, 3), np.float16))
    with pytest.raises(UsageError, match="finite"):
        Adapter("f", np.full((2, 2), np.inf, np.float16))


def test_rows_keep_unit_length_and_the_identity_changes_nothing() -> None:
    rows = HashEmbedder(16).embed(["one two", "three four five"], "query")
    assert np.allclose(adapter_of(np.eye(16), "f").adapted(rows), rows, atol=1e-6)
    mapped = an_adapter(dimension=16).adapted(rows)
    assert np.allclose(np.linalg.norm(mapped, axis=1), 1)
    erased = adapter_of(np.zeros((16, 16)), "f").adapted(rows)
    assert np.array_equal(erased, rows)


def test_the_slope_is_that_of_the_loss() -> None:
    step = 1e-2
    chance = np.random.default_rng(3)
    matrix = (np.eye(6) + chance.normal(0, 0.1, (6, 6))).astype(np.float32)
    data = choices_of(pairs())
    slope = slope_of(data, matrix)
    for row, column in ((0, 0), (2, 5), (4, 1)):
        moved = np.zeros_like(matrix)
        moved[row, column] = step
        found = (loss_of(data, matrix + moved) - loss_of(data, matrix - moved)) / (2 * step)
        assert slope[row, column] == pytest.approx(found, abs=0.02 + 0.02 * abs(found))


def test_both_ways_lower_the_loss() -> None:
    data = pairs()
    choices = choices_of(data)
    start = loss_of(choices, np.eye(6, dtype=np.float32))
    assert loss_of(choices, closed_form(data, 0.8, 0.3)) < start
    losses = [loss_of(choices, matrix) for _, matrix in gradient(data, 0.0)]
    assert losses[-1] < losses[0] < start


def test_the_closed_form_solves_its_regression() -> None:
    data = pairs()
    strength, ridge = 0.5, 0.7
    change = closed_form(data, strength, ridge) - np.eye(6)
    questions = np.stack([pair.question for pair in data])
    steps = strength * np.stack([pair.right.mean(axis=0) - pair.wrong.mean(axis=0) for pair in data])
    # At the minimum of Σ‖C q - d‖² + ridge ‖C‖² its derivative by C is zero.
    derivative = (questions @ change.T - steps).T @ questions + ridge * change
    assert np.abs(derivative).max() < 1e-4


def test_too_few_answers_with_vectors_are_refused(foreign: tuple[Library, tuple[Asked, ...]]) -> None:
    library, asked = foreign
    nowhere = [replace(one, grades={"nowhere": 1}) for one in asked]
    with pytest.raises(UsageError, match="Only 0 questions"):
        learn_adapter(library, nowhere)

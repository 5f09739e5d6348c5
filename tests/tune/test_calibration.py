"""A library's own calibration of confidence: fitted where it helps, data that cannot harm, undone exactly."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook import Library, Settings
from openbook.answer.calibration import Calibration
from openbook.answer.confidence import CALIBRATION
from openbook.answer.language_model import ScriptedModel
from openbook.calibrating import FittedCalibration, read_calibration, written
from openbook.errors import LibraryDamaged, UsageError
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.lab.significance import Difference
from openbook.lab.tune import NOT_FROM_WORDS, Tuned, tune
from openbook.lab.tuning_calibration import Examples, probabilities, refitted, sureness
from openbook.lab.tuning_questions import Asked, shuffled
from openbook.lab.tuning_trials import Trial, corrected, decided
from tests.tune.libraries import answers, noisy_library, strange_questions

Filled = tuple[Library, tuple[Asked, ...]]
RANKING = (*NOT_FROM_WORDS, "surroundings_weight")
OWN = FittedCalibration("hash", -1.5, {"pair": 2.0, "coverage": 0.5})


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    """The cosines of the fake embedder are small, so that the shipped numbers doubt every answer."""
    library, asked = noisy_library(tmp_path / "library", embedder="hash:256")
    with library:
        yield library, (*asked, *strange_questions(40))


def own_of(library: Library) -> FittedCalibration:
    embedder = library.embedder()
    assert embedder is not None
    return FittedCalibration(embedder.fingerprint, OWN.bias, OWN.weights)


def tuned_of(filled: Filled, *, seed: int = 0, dry_run: bool = False) -> Tuned:
    library, asked = filled
    return tune(library, asked, seed=seed, fixed=RANKING, dry_run=dry_run)


# -- the artefact ---------------------------------------------------------------


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.dictionaries(
        st.sampled_from(["pair", "coverage", "chunk"]), st.floats(allow_nan=False, allow_infinity=False)
    ),
)
def test_what_is_written_is_read_as_it_was(bias: float, weights: dict[str, float]) -> None:
    fitted = FittedCalibration("a model", bias, weights)
    assert read_calibration(written(fitted)) == fitted
    assert read_calibration(written(fitted)).id == fitted.id


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "version 2"),
        ({"bias": 3.0}, "checksum"),
        ({"bias": "x"}, "cannot be read"),
        ({"bias": float("nan")}, "finite"),
        ({"weights": {"luck": 1.0}}, "'luck'"),
        ({"weights": [1.0]}, "cannot be read"),
        ({"fingerprint": 7}, "fingerprint"),
        ({"fingerprint": "another"}, "checksum"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], said: str) -> None:
    row = json.loads(written(OWN)) | change
    with pytest.raises(LibraryDamaged, match=said):
        read_calibration(json.dumps(row))


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"version": 1}'])
def test_what_is_no_calibration_is_refused(text: str) -> None:
    with pytest.raises(LibraryDamaged, match="cannot be read"):
        read_calibration(text)


# -- the fit --------------------------------------------------------------------


def drawn(calibration: Calibration, count: int, *, seed: int) -> Examples:
    """Questions whose chance of having an answer is what this calibration says."""
    chance = np.random.default_rng(seed)
    rows = np.column_stack([chance.uniform(0.2, 0.9, count), chance.uniform(0, 1, count)])
    blank = Examples(rows, np.zeros(count, dtype=np.bool_), np.arange(count))
    return Examples(rows, chance.random(count) < probabilities(blank, calibration), np.arange(count))


def test_another_map_is_found_and_truer_of_unseen_questions() -> None:
    other = Calibration(1.0, {"pair": -6.0, "coverage": 4.0})
    fitted = refitted(drawn(other, 400, seed=1), CALIBRATION, "f")
    assert fitted is not None
    unseen = drawn(other, 2000, seed=2)
    old, new = (probabilities(unseen, one) for one in (CALIBRATION, fitted.calibration))
    gain = sureness(new, unseen.answerable).mean() - sureness(old, unseen.answerable).mean()
    assert gain > 0.05


@pytest.mark.parametrize("count", [24, 60])
def test_few_questions_leave_what_is_right_nearly_always_alone(count: int) -> None:
    unseen = drawn(CALIBRATION, 2000, seed=99)
    old = sureness(probabilities(unseen, CALIBRATION), unseen.answerable).mean()
    gains = []
    for seed in range(20):
        fitted = refitted(drawn(CALIBRATION, count, seed=seed), CALIBRATION, "f")
        if fitted is not None:
            new = sureness(probabilities(unseen, fitted.calibration), unseen.answerable).mean()
            gains.append(float(new - old))
    assert len(gains) <= 4
    assert sum(gains) / 20 > -0.005


def test_the_measure_weighs_both_kinds_alike() -> None:
    truth = np.array([True] * 9 + [False])
    always = sureness(np.ones(10), truth)
    assert always.mean() == pytest.approx(0.5)
    assert sureness(np.full(10, 0.5), truth).mean() == pytest.approx(0.75)


# -- libraries ------------------------------------------------------------------


def test_a_better_calibration_is_adopted_true_of_the_answers_and_undone(filled: Filled) -> None:
    library, asked = filled
    before = answers(library, asked)
    with Library(library.path, settings=Settings(embedder="hash:256")) as other:
        tuned = tuned_of(filled)
        assert tuned.calibrated
        fitted = tuned.calibration
        assert fitted is not None
        trial = next(one for one in tuned.trials if one.name == "calibration")
        assert trial.test.low > 0
        assert f"calibration default → {fitted.id}" in library.status().tunings[0]
        after = answers(library, asked)
        assert after != before
        assert answers(other, asked) == after
        sure = np.array([confidence for _, confidence, _ in after])
        was = np.array([confidence for _, confidence, _ in before])
        truth = np.array([one.answerable for one in asked])
        assert sureness(sure, truth).mean() > sureness(was, truth).mean()
        library.undo_tuning()
        assert answers(library, asked) == before == answers(other, asked)
    with Ledger(library.path / LEDGER_NAME, read_only=True) as ledger:
        assert not ledger.kept_names("kept:calibration:")


@pytest.mark.parametrize("seed", range(4))
def test_kinds_of_questions_dealt_out_anew_adopt_nothing(filled: Filled, seed: int) -> None:
    library, asked = filled
    tuned = tuned_of((library, shuffled(asked, seed=seed, kinds=True)), seed=seed)
    assert not tuned.adopted
    assert not tuned.calibrated
    assert not library.tunings()


def test_a_dry_run_keeps_none(filled: Filled) -> None:
    library, _ = filled
    tuned = tuned_of(filled, dry_run=True)
    assert tuned.calibration is not None
    assert not tuned.calibrated
    assert not library.tunings()


def test_too_few_questions_without_an_answer_leave_it_alone(filled: Filled) -> None:
    library, asked = filled
    tuned = tune(library, asked[:72], fixed=RANKING, dry_run=True)
    assert "calibration" not in {one.name for one in tuned.trials}
    assert any(note.startswith("The calibration stays") for note in tuned.notes)


def test_the_shipped_numbers_kept_as_its_own_change_no_answer(filled: Filled) -> None:
    library, asked = filled
    before = answers(library, asked)
    embedder = library.embedder()
    assert embedder is not None
    shipped = FittedCalibration(embedder.fingerprint, CALIBRATION.bias, CALIBRATION.weights)
    library.adopt({"calibration": shipped})
    assert answers(library, asked) == before


def test_it_goes_along_in_an_export_and_judges_no_other_models_answers(
    filled: Filled, tmp_path: Path
) -> None:
    library, asked = filled
    question = asked[0].text
    library.adopt({"calibration": own_of(library)})
    expected = answers(library, asked)
    file = library.export(tmp_path / "library.zip")
    settings = Settings(embedder="hash:256")
    with Library.import_(file, tmp_path / "elsewhere", settings=settings) as other:
        assert answers(other, asked) == expected
    library.adopt({"calibration": OWN})
    answer = library.ask(question, model="none")
    assert any("another model" in note for note in answer.notes)
    library.undo_tuning()
    assert not library.ask(question, model="none").notes
    assert answers(library, asked) == expected


def test_a_damaged_one_is_not_used_and_says_so(filled: Filled) -> None:
    library, asked = filled
    before = answers(library, asked)
    own = own_of(library)
    library.adopt({"calibration": own})
    with Ledger(library.path / LEDGER_NAME) as ledger:
        for kept in (None, "{}", written(OWN)):
            with ledger.transaction():
                ledger.change_settings({f"kept:calibration:{own.id}": kept})
            answer = library.ask(asked[0].text, model="none")
            assert (answer.status, answer.confidence, answer.text) == before[0]
            assert any("calibration of confidence is not used" in note for note in answer.notes)
    library.undo_tuning()
    assert answers(library, asked) == before


def test_it_judges_what_a_model_writes_too(filled: Filled) -> None:
    library, asked = filled
    model = ScriptedModel(lambda _: "Nothing of the kind. [1]")
    assert library.ask(asked[0].text, model=model).confidence < 0.9
    always = FittedCalibration(own_of(library).fingerprint, 5.0, {"pair": 0.0})
    library.adopt({"calibration": always})
    expected = pytest.approx(1 / (1 + math.exp(-5)))
    assert library.ask(asked[0].text, model=model).confidence == expected
    assert library.ask(asked[0].text, model="none").confidence == expected


def test_only_a_calibration_can_be_kept_as_one(filled: Filled) -> None:
    library, _ = filled
    for changes in ({"calibration": 0.5}, {"candidates": OWN}):
        with pytest.raises(UsageError, match="cannot be tuned"):
            library.adopt(changes)


# -- deciding -------------------------------------------------------------------


def test_what_is_decided_early_is_corrected_for_all_that_may_follow() -> None:
    trials = [
        Trial(name, name, {"x": 0.0}, {"x": 1.0}, 1.0, 1.0, Difference(1.0, 0.5, 1.5, p), chosen=chosen)
        for name, p, chosen in (("a", 0.01, True), ("calibration", 0.02, True), ("b", 0.9, False))
    ]
    early = decided(trials, "calibration", more=1)
    assert [one.p for one in early] == [None, pytest.approx(0.06), None]
    assert [one.p for one in corrected(early)] == [pytest.approx(0.02), pytest.approx(0.06), None]

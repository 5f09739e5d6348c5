"""What titles count and how many sentences are quoted, tuned on real libraries with a known effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from openbook import Library, Settings
from openbook.answer.quoting import SCORE_DISTANCE
from openbook.errors import UsageError
from openbook.lab.answer_judging import judge
from openbook.lab.labelled_sets import BeirSet, Gold, LabelledAnswer
from openbook.lab.tune import NOT_FROM_WORDS, tune
from openbook.lab.tuning_questions import Asked, asked_of_set, shuffled, split
from openbook.lab.tuning_scores import Scores, ndcg
from tests.tune.libraries import answers, quoted_library, rankings, titled_library

Filled = tuple[Library, tuple[Asked, ...]]
BESIDE_TITLES = ("cosine_weight", "candidates", "surroundings_weight")
BESIDE_QUOTES = (*BESIDE_TITLES, "title_weight")


@pytest.fixture
def titled(tmp_path: Path) -> Iterator[Filled]:
    library, asked = titled_library(tmp_path / "library")
    with library:
        yield library, asked


@pytest.fixture
def quoted(tmp_path: Path) -> Iterator[Filled]:
    library, asked = quoted_library(tmp_path / "library")
    with library:
        yield library, asked


def test_a_weight_of_titles_is_found_adopted_and_true_of_the_search_itself(titled: Filled) -> None:
    library, asked = titled

    def measured() -> float:
        test = split(asked).test
        found = [[hit.path for hit in library.search(asked[i].text, k=10, per_document=1)] for i in test]
        return float(np.mean([ndcg(asked[i].grades, paths) for i, paths in zip(test, found, strict=True)]))

    before, ranked = measured(), list(rankings(library, asked))
    tuned = tune(library, asked, fixed=BESIDE_TITLES)
    assert tuned.adopted["title_weight"] > 0
    chosen = next(trial for trial in tuned.trials if trial.chosen)
    assert measured() - before == pytest.approx(chosen.test.mean, abs=1e-9)
    assert "title_weight default →" in library.status().tunings[0]
    library.undo_tuning()
    assert list(rankings(library, asked)) == ranked


def test_cached_scores_rank_as_the_search_with_titles_does(titled: Filled) -> None:
    library, asked = titled
    scores = Scores(library, asked, progress=lambda _: None)
    library.adopt({"title_weight": 0.3})
    configuration = replace(scores.current(), title_weight=0.3)
    for number, one in enumerate(asked):
        hits = library.search(one.text, k=10, per_document=1)
        assert [hit.chunk_id for hit in hits] == [
            group[0] for group in scores.ranking(configuration, number, 10)
        ]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("filled", [titled_library, quoted_library])
def test_shuffled_labels_adopt_nothing(tmp_path: Path, filled: Callable[[Path], Filled], seed: int) -> None:
    library, asked = filled(tmp_path / "library")
    with library:
        known = library.tunings()
        tuned = tune(library, shuffled(asked, seed=seed), seed=seed)
        assert not tuned.adopted
        assert library.tunings() == known


def test_a_distance_of_sentences_is_found_adopted_and_true_of_the_answers(quoted: Filled) -> None:
    library, asked = quoted

    def measured() -> float:
        chosen = [asked[i] for i in split(asked).test]
        found = [judge(library.ask(one.text, model="none"), golds=one.golds()) for one in chosen]
        return float(np.mean([one["quote_f1"] if one["citations_on_gold"] else 0.0 for one in found]))

    before, said = measured(), answers(library, asked)
    tuned = tune(library, asked, fixed=BESIDE_QUOTES)
    assert tuned.adopted["sentence_distance"] < SCORE_DISTANCE
    trial = next(one for one in tuned.trials if one.name == "sentence_distance")
    assert tuned.levels["F1 of quotes"] == pytest.approx(before)
    assert measured() - before == pytest.approx(trial.test.mean, abs=1e-9)
    library.undo_tuning()
    assert answers(library, asked) == said


def test_the_default_distance_is_that_of_the_quotes_and_changes_nothing(quoted: Filled) -> None:
    library, asked = quoted
    assert Settings().sentence_distance == SCORE_DISTANCE
    before = answers(library, asked)
    library.adopt({"sentence_distance": SCORE_DISTANCE})
    assert answers(library, asked) == before
    library.adopt({"sentence_distance": 0.0})
    assert answers(library, asked) != before
    with pytest.raises(UsageError, match="sentence_distance"):
        Settings(sentence_distance=-0.1)


def test_questions_of_the_documents_words_leave_both_alone(quoted: Filled) -> None:
    library, asked = quoted
    tuned = tune(library, asked, fixed=NOT_FROM_WORDS, dry_run=True)
    assert not {name for one in tuned.trials for name in one.after} & {"title_weight", "sentence_distance"}
    assert any("sentence_distance stays" in note for note in tuned.notes)


def test_without_gold_quotes_the_sentences_stay_and_nothing_is_asked(
    titled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, asked = titled
    monkeypatch.setattr("openbook.answering.Answerer.look", None)
    tuned = tune(library, asked, dry_run=True)
    assert [note.split()[0] for note in tuned.notes] == ["answer_threshold", "The", "sentence_distance"]


def test_quotes_come_from_places_and_from_labelled_answers(tmp_path: Path) -> None:
    row = LabelledAnswer("q1", "what?", True, ("One.", "Two."))
    labelled = BeirSet(tmp_path, {"q1": "what?", "q2": "who?"}, {"q1": {"d": 1}, "q2": {"d": 1}}, (row,))
    first, second = asked_of_set(labelled)
    assert (first.golds(), second.golds()) == ((("One. Two.",),), ())
    needs = ((Gold("a", "Said."), Gold("b")), (Gold("c"),))
    assert Asked("q3", "when?", "q3", needs=needs).golds() == (("Said.",),)


def test_what_is_dealt_out_anew_takes_its_quotes_along() -> None:
    asked = [Asked(f"q{n}", "?", f"q{n}", grades={f"d{n}": 1}, quotes=((f"{n}",),)) for n in range(20)]
    asked += [Asked(f"u{n}", "?", f"u{n}") for n in range(20)]
    for kinds in (False, True):
        dealt = shuffled(asked, seed=1, kinds=kinds)
        assert all(one.quotes == ((path.removeprefix("d"),),) for one in dealt for path in one.grades)
        assert sum(one.answerable for one in dealt) == 20
        moved = [one.answerable for one in dealt] != [one.answerable for one in asked]
        assert moved == kinds

"""Tuning real libraries: a known gain is found and adopted, chance is not, and undo restores everything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from openbook import Document, Hit, Library, Settings
from openbook.errors import UsageError
from openbook.lab.labelled_sets import Gold
from openbook.lab.tune import NOT_FROM_WORDS, tune
from openbook.lab.tuning_questions import Asked, groups_of, shuffled, split
from openbook.lab.tuning_scores import Scores, ndcg
from tests.tune.libraries import noisy_library, rankings


@pytest.fixture
def noisy(tmp_path: Path) -> Iterator[tuple[Library, tuple[Asked, ...]]]:
    library, asked = noisy_library(tmp_path / "library")
    with library:
        yield library, asked


def test_a_known_gain_is_found_adopted_and_true_of_the_search_itself(
    noisy: tuple[Library, tuple[Asked, ...]],
) -> None:
    library, asked = noisy
    test = split(asked).test

    def measured() -> float:
        found = [library.search(asked[i].text, k=10, per_document=1) for i in test]
        return float(
            np.mean(
                [
                    ndcg(asked[i].grades, [hit.path for hit in hits])
                    for i, hits in zip(test, found, strict=True)
                ]
            )
        )

    before = measured()
    tuned = tune(library, asked)
    assert tuned.adopted["cosine_weight"] < 0.8
    assert library.search(asked[0].text)  # takes the new settings up
    assert library.settings.cosine_weight == tuned.adopted["cosine_weight"]
    chosen = next(trial for trial in tuned.trials if trial.chosen)
    assert measured() - before == pytest.approx(chosen.test.mean, abs=1e-9)
    assert chosen.test.low > 0
    assert "cosine_weight 0.8 →" in library.status().tunings[0]


def test_undo_restores_every_hit_and_another_process_sees_both(
    noisy: tuple[Library, tuple[Asked, ...]],
) -> None:
    library, asked = noisy
    with Library(library.path, settings=Settings(embedder="hash:8")) as other:
        before = list(rankings(library, asked))
        library.adopt({"surroundings_weight": 1.5, "cosine_weight": 0.1, "candidates": 50})
        during = list(rankings(library, asked))
        assert during != before
        assert list(rankings(other, asked)) == during
        undone = library.undo_tuning()
        assert undone.before == {"surroundings_weight": "0.5", "cosine_weight": "0.8", "candidates": None}
        assert list(rankings(library, asked)) == before == list(rankings(other, asked))
    assert library.verify().ok
    with pytest.raises(UsageError, match="no tuning"):
        library.undo_tuning()


def test_a_dry_run_changes_nothing(noisy: tuple[Library, tuple[Asked, ...]]) -> None:
    library, asked = noisy
    tuned = tune(library, asked, dry_run=True)
    assert tuned.convincing
    assert not tuned.adopted
    assert not library.tunings()


@pytest.mark.parametrize("seed", range(6))
def test_shuffled_labels_adopt_nothing(noisy: tuple[Library, tuple[Asked, ...]], seed: int) -> None:
    library, asked = noisy
    assert not tune(library, shuffled(asked, seed=seed), seed=seed).adopted
    assert not library.tunings()


def test_what_is_fixed_stays(noisy: tuple[Library, tuple[Asked, ...]]) -> None:
    library, asked = noisy
    tuned = tune(library, asked, fixed=NOT_FROM_WORDS, dry_run=True)
    assert not {name for trial in tuned.trials for name in trial.after} & set(NOT_FROM_WORDS)


def test_cached_scores_rank_as_the_search_does(noisy: tuple[Library, tuple[Asked, ...]]) -> None:
    library, asked = noisy
    scores = Scores(library, asked, progress=lambda _: None)
    for weight in (0.8, 0.3):
        library.adopt({"cosine_weight": weight})
        configuration = replace(scores.current(), cosine_weight=weight)
        for number, one in enumerate(asked):
            hits = library.search(one.text, k=10, per_document=1)
            assert [hit.chunk_id for hit in hits] == [
                group[0] for group in scores.ranking(configuration, number, 10)
            ]


def test_the_threshold_is_fitted_where_questions_have_no_answer(tmp_path: Path) -> None:
    library, asked = noisy_library(tmp_path / "library", embedder="hash:256")
    strange = [
        Asked(f"u{number}", f"nobody{number} knows{number} this{number}", f"u{number}")
        for number in range(40)
    ]
    with library:
        library.adopt({"answer_threshold": 0.0})
        tuned = tune(library, [*asked, *strange])
        assert 0 < tuned.adopted["answer_threshold"] < 1
        trial = next(one for one in tuned.trials if one.name == "answer_threshold")
        assert trial.test.mean > 0.2
        assert not [note for note in tuned.notes if "stays: each part needs" in note]


def test_chunks_of_another_size_are_tried_in_a_copy_and_adopted_in_place(tmp_path: Path) -> None:
    documents = [
        Document(
            f"d{number}",
            "\n\n".join(f"thing{number}x{part} " * 3 for part in range(8)),
            "text/plain",
            language="en",
        )
        for number in range(12)
    ]
    settings = Settings(embedder="hash:64", chunk_tokens=24)
    with Library(tmp_path / "library", settings=settings) as library:
        library.add_documents(documents, source="made")
        asked = [
            Asked(
                f"{n} {p}",
                f"thing{n}x{p}",
                f"d{n} {p}",
                needs=((Gold(f"d{n}", f"thing{n}x{p} thing{n}x{p}"),),),
            )
            for n in range(12)
            for p in range(2)
        ]
        before = list(rankings(library, asked))
        chunks = library.status().chunks
        tuned = tune(library, asked, chunks=True, dry_run=True)
        trial = next(one for one in tuned.trials if one.name == "chunk_tokens")
        assert trial.after["chunk_tokens"] in (12, 18, 36, 48)
        assert library.status().chunks == chunks
        library.adopt({"chunk_tokens": 12})
        assert library.status().chunks > chunks
        assert library.status().embedded == library.status().chunks
        library.undo_tuning()
        assert library.status().chunks == chunks
        assert places(rankings(library, asked)) == places(before)
        assert library.verify().ok


def places(found: Iterable[Sequence[Hit]]) -> list[list[tuple[str, int, int, float]]]:
    """Where hits are and how they scored: chunks that are cut again have new ids."""
    return [[(hit.path, hit.start, hit.end, hit.score) for hit in hits] for hits in found]


def test_tuned_settings_win_over_the_users_and_go_along_in_an_export(
    noisy: tuple[Library, tuple[Asked, ...]], tmp_path: Path
) -> None:
    library, asked = noisy
    library.adopt({"candidates": 60, "answer_threshold": 0.25, "surroundings_weight": 0.0})
    expected = list(rankings(library, asked))
    file = library.export(tmp_path / "library.zip")
    user = Settings(embedder="hash:8", candidates=300, answer_threshold=0.9)
    with Library.import_(file, tmp_path / "elsewhere", settings=user) as other:
        assert (other.settings.candidates, other.settings.answer_threshold) == (60, 0.25)
        assert list(rankings(other, asked)) == expected
        other.undo_tuning()
        assert other.search("anything") is not None
        assert (other.settings.candidates, other.settings.answer_threshold) == (300, 0.9)


def test_wrong_requests_are_refused(noisy: tuple[Library, tuple[Asked, ...]]) -> None:
    library, asked = noisy
    with pytest.raises(UsageError, match="'embedder' cannot be tuned"):
        library.adopt({"embedder": 1.0})
    with pytest.raises(UsageError, match="at least 20"):
        tune(library, asked[:10])
    with pytest.raises(UsageError, match="candidates is 20000"):
        Settings(candidates=20_000)


def test_a_library_without_vectors_has_nothing_to_tune(tmp_path: Path) -> None:
    _, asked = noisy_library(tmp_path / "library")
    empty = Library(tmp_path / "empty", settings=Settings(embedder="hash:8"))
    with empty, pytest.raises(UsageError, match="words alone"):
        tune(empty, asked)


def test_parts_share_no_group_and_no_answer() -> None:
    asked = [
        Asked(f"{group}.{turn}", "?", f"c{group}", grades={f"d{group}": 1, f"e{group // 2}": 1})
        for group in range(40)
        for turn in range(2)
    ] + [Asked(f"u{number}", "?", f"u{number}") for number in range(20)]
    groups = groups_of(asked)
    assert groups[0] == groups[1] == groups[2] != groups[4]
    parts = split(asked, seed=3)
    members = [{groups[i] for i in part} for part in (parts.train, parts.validation, parts.test)]
    assert not members[0] & members[1] | members[0] & members[2] | members[1] & members[2]
    assert sorted(np.concatenate([parts.train, parts.validation, parts.test]).tolist()) == list(range(100))
    assert len(parts.test) == pytest.approx(50, abs=4)
    assert all(
        sum(not asked[i].answerable for i in part) >= 3
        for part in (parts.train, parts.validation, parts.test)
    )
    assert not np.array_equal(split(asked, seed=4).test, parts.test)
    assert np.array_equal(split(asked, seed=3).test, parts.test)


def test_a_place_that_answers_a_crowd_ties_nothing_together() -> None:
    asked = [Asked(f"q{n}", "?", f"q{n}", grades={"everything": 1, f"d{n}": 1}) for n in range(30)]
    assert len(set(groups_of(asked))) == 30


def test_where_places_tie_everything_together_only_conversations_count() -> None:
    chain = [Asked(f"q{n}", "?", f"c{n // 3}", grades={f"d{n}": 1, f"d{n + 1}": 1}) for n in range(60)]
    groups = groups_of(chain)
    assert len(set(groups)) == 20
    assert groups[0] == groups[2] != groups[3]
    with pytest.raises(UsageError, match="fewer than three conversations"):
        split([replace(one, group="one") for one in chain])


def test_ndcg_is_that_of_ir_measures() -> None:
    ir_measures = pytest.importorskip("ir_measures")
    chance = np.random.default_rng(1)
    for _ in range(30):
        grades = {f"d{n}": int(chance.integers(-1, 4)) for n in range(15)}
        ranked = [f"d{n}" for n in chance.permutation(25)]
        qrels = [ir_measures.Qrel("q", name, grade) for name, grade in grades.items()]
        run = [ir_measures.ScoredDoc("q", name, -rank) for rank, name in enumerate(ranked)]
        expected = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], qrels, run)[ir_measures.nDCG @ 10]
        assert ndcg(grades, ranked) == pytest.approx(expected)

"""Clusters of made-up groups, and the words that tell them apart."""

from __future__ import annotations

import numpy as np
import pytest

from openbook.index.analysis import analysis_of
from openbook.lab.clusters import FEWEST, MOST, cluster, counts_to_try, nearest_centres, telling_words
from tests.map.made import WORDS, blobs, topics


def terms(word: str, language: str) -> list[str]:
    return analysis_of(language).content_terms(word)


@pytest.mark.parametrize("count", [4, 6])
def test_groups_far_from_each_other_are_found(count: int) -> None:
    rows, groups = blobs(count, 2 * count**2 // count)  # √(n/2) is the number of groups
    found = cluster(rows)
    assert len(found.centres) == count
    pairs = {(int(a), int(b)) for a, b in zip(groups, found.labels, strict=True)}
    assert len(pairs) == count, "each group is one cluster"
    assert found.silhouette > 0.8
    assert found.sizes.sum() == len(rows)


def test_the_largest_cluster_comes_first_and_the_same_rows_give_the_same_clusters() -> None:
    chance = np.random.default_rng(3)
    rows = chance.normal(size=(3_000, 10)).astype(np.float32)
    one, other = cluster(rows), cluster(rows.copy())
    assert np.array_equal(one.labels, other.labels)
    assert list(one.sizes) == sorted(one.sizes, reverse=True)
    assert np.array_equal(nearest_centres(rows, one.centres), one.labels)


def test_every_row_belongs_to_its_nearest_centre() -> None:
    rows, _ = blobs(5, 40)
    found = cluster(rows)
    away = ((rows[:, None] - found.centres[None]) ** 2).sum(axis=2)
    assert np.array_equal(np.argmin(away, axis=1), found.labels)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_few_rows_are_one_cluster(count: int) -> None:
    found = cluster(np.ones((count, 5), dtype=np.float32))
    assert found.labels.tolist() == [0] * count
    assert found.centres.shape == (1, 5)


def test_rows_that_are_all_the_same_are_one_cluster() -> None:
    found = cluster(np.ones((50, 5), dtype=np.float32))
    assert set(found.labels.tolist()) == {0}
    assert len(found.centres) == 1


def test_the_number_of_clusters_that_are_tried_grows_with_the_rows_and_is_bounded() -> None:
    assert counts_to_try(4) == [FEWEST]
    assert counts_to_try(2_000)[-1] == 32
    assert counts_to_try(10**7)[-1] == MOST
    assert counts_to_try(10**7)[0] == round(MOST / 3)


def test_words_tell_what_a_cluster_is_about() -> None:
    texts: dict[int, list[tuple[str, str]]] = {0: [], 1: [], 2: []}
    for document in topics():
        texts[list(WORDS).index(document.path.split("/")[0])].append((document.text, "en"))
    words = telling_words(texts, terms)
    for number, (topic, known) in enumerate(WORDS.items()):
        assert words[number], topic
        assert set(words[number]) <= {*known.split(), topic}
        assert not {"the", "of", "note"} & set(words[number])


def test_two_forms_of_a_word_are_one_and_the_frequent_form_is_shown() -> None:
    texts = {
        0: [("engines engine engines", "en"), ("engines roar", "en"), ("Engines", "en"), ("engines", "en")],
        1: [("a sail", "en"), ("sails", "en"), ("sails and wind", "en")],
    }
    words = telling_words(texts, terms)
    assert words[0][0] == "engines"
    assert "engine" not in words[0]
    assert words[1][0] == "sails"


def test_scripts_without_spaces_have_words_of_two_characters() -> None:
    words = telling_words({0: [("機械学習", "ja"), ("機械", "ja")], 1: [("料理の本", "ja")]}, terms)
    assert words[0][0] == "機械"


def test_a_cluster_without_words_has_no_label() -> None:
    assert telling_words({0: [("12 34 %", "en")], 1: []}, terms) == {0: (), 1: ()}

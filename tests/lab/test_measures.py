"""Measures against their definitions, computed the slow way."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.lab.measures import auroc, best_f1, not_found_f1, percentile, ranking_measures

scores = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=12)


@given(scores, scores)
def test_auroc_is_the_share_of_pairs_in_the_right_order(good: list[float], bad: list[float]) -> None:
    pairs = [1.0 if g > b else 0.5 if g == b else 0.0 for g in good for b in bad]
    measured = auroc(good, bad)
    assert measured is not None
    assert math.isclose(measured, sum(pairs) / len(pairs))


@given(scores, scores)
def test_auroc_of_swapped_sides_is_the_rest(good: list[float], bad: list[float]) -> None:
    forward, backward = auroc(good, bad), auroc(bad, good)
    assert forward is not None
    assert backward is not None
    assert math.isclose(forward + backward, 1.0)


@given(scores, scores)
def test_best_f1_is_the_best_over_all_thresholds(answerable: list[float], unanswerable: list[float]) -> None:
    best = best_f1(answerable, unanswerable)
    every = [not_found_f1(answerable, unanswerable, step / 40) for step in range(-1, 43)]
    assert best is not None
    assert math.isclose(best.f1, max(every))
    assert math.isclose(not_found_f1(answerable, unanswerable, best.threshold), best.f1)


def test_without_both_kinds_of_questions_there_is_no_refusal_to_measure() -> None:
    assert auroc([], [0.5]) is None
    assert auroc([0.5], []) is None
    assert best_f1([0.5], []) is None


def test_f1_counts_confidences_below_the_threshold_as_not_found() -> None:
    # Found wanting: one of the two unanswerable, and one answerable by mistake.
    assert not_found_f1([0.9, 0.2], [0.1, 0.8], 0.5) == pytest.approx(2 * 1 / (2 * 1 + 1 + 1))
    assert not_found_f1([0.9], [0.8], 0.5) == 0.0


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30), st.floats(0, 1))
def test_percentile_is_the_smallest_value_that_enough_do_not_exceed(
    values: list[float], share: float
) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    smaller = [value for value in values if value < found]
    assert len(smaller) < max(share * len(values), 1)


def test_ranking_measures_of_a_small_example() -> None:
    grades = {"q1": {"a": 1, "b": 1}, "q2": {"c": 1}}
    runs = {"q1": ["x", "a", "y", "b"], "q2": ["c"]}
    measured = ranking_measures(grades, runs)
    ideal = 1 + 1 / math.log2(3)
    gained = 1 / math.log2(3) + 1 / math.log2(5)
    assert measured["ndcg@10"] == pytest.approx((gained / ideal + 1) / 2)
    assert measured["mrr"] == pytest.approx((0.5 + 1) / 2)
    assert measured["hit@1"] == 0.5
    assert measured["hit@3"] == measured["hit@5"] == measured["hit@10"] == 1.0
    assert measured["recall@10"] == measured["recall@100"] == 1.0


def test_a_query_that_finds_nothing_counts() -> None:
    measured = ranking_measures({"q1": {"a": 1}, "q2": {"b": 1}}, {"q1": ["a"]})
    assert set(measured.values()) == {0.5}

"""Intervals and tests against scipy's, against all flips counted by hand, and by their laws."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from openbook.errors import UsageError
from openbook.lab.measures import auroc
from openbook.lab.significance import auroc_interval, bootstrap_interval, holm, paired_difference, significant

values = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=9)
pairs = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.sampled_from([0.0, 0.25, 0.5, 1.0])),
    min_size=1,
    max_size=9,
)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_interval_is_scipys(seed: int) -> None:
    data = np.random.default_rng(seed).beta(0.5, 1.5, size=60)  # skewed, as measures of questions are
    ours = bootstrap_interval(data.tolist(), rounds=20_000)
    theirs = stats.bootstrap(
        (data,), np.mean, method="BCa", n_resamples=20_000, rng=np.random.default_rng(9)
    ).confidence_interval
    assert ours.mean == pytest.approx(data.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.004)
    assert ours.high == pytest.approx(theirs.high, abs=0.004)


def test_the_interval_is_scipys_where_values_are_zero_and_one() -> None:
    data = np.array([1.0] * 45 + [0.0] * 25)
    ours = bootstrap_interval(data.tolist(), rounds=20_000, level=0.9)
    theirs = stats.bootstrap(
        (data,),
        np.mean,
        method="BCa",
        n_resamples=20_000,
        confidence_level=0.9,
        rng=np.random.default_rng(9),
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=1.01 / 70)  # one question more or less
    assert ours.high == pytest.approx(theirs.high, abs=1.01 / 70)


@given(pairs)
@settings(max_examples=50)
def test_few_differences_are_tested_exactly_as_scipy_does(data: list[tuple[float, float]]) -> None:
    new, old = [pair[0] for pair in data], [pair[1] for pair in data]
    ours = paired_difference(new, old, rounds=20).p
    differences = np.array(new) - np.array(old)
    if len(data) > 1:
        theirs = stats.permutation_test(
            (differences,), np.sum, permutation_type="samples", n_resamples=np.inf
        ).pvalue
        assert ours == pytest.approx(min(1.0, theirs))


def test_many_differences_are_tested_as_scipy_does() -> None:
    chance = np.random.default_rng(5)
    old = chance.random(80)
    new = old + chance.normal(0.02, 0.1, size=80)
    ours = paired_difference(new.tolist(), old.tolist())
    theirs = stats.permutation_test(
        (new - old,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(6)
    )
    assert ours.p == pytest.approx(theirs.pvalue, abs=0.02)
    assert 0.01 < ours.p < 0.99
    assert ours.low < ours.mean < ours.high


@given(pairs, st.lists(st.integers(0, 3), min_size=9, max_size=9))
def test_groups_are_flipped_together(data: list[tuple[float, float]], labels: list[int]) -> None:
    groups = labels[: len(data)]
    sums = dict.fromkeys(groups, 0.0)
    for (new, old), group in zip(data, groups, strict=True):
        sums[group] += new - old
    found = abs(sum(sums.values())) - 1e-9
    flips = [
        abs(sum(sign * value for sign, value in zip(signs, sums.values(), strict=True))) >= found
        for signs in itertools.product((1, -1), repeat=len(sums))
    ]
    ours = paired_difference([n for n, _ in data], [o for _, o in data], groups=groups, rounds=20)
    assert ours.p == pytest.approx(sum(flips) / len(flips))


@given(values)
def test_a_thing_is_no_better_than_itself(data: list[float]) -> None:
    same = paired_difference(data, data, rounds=50)
    assert (same.mean, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


@given(pairs)
def test_swapping_new_and_old_turns_the_difference_round(data: list[tuple[float, float]]) -> None:
    new, old = [pair[0] for pair in data], [pair[1] for pair in data]
    forward, backward = paired_difference(new, old, rounds=200), paired_difference(old, new, rounds=200)
    assert forward.p == pytest.approx(backward.p)
    assert math.isclose(forward.mean, -backward.mean, abs_tol=1e-12)
    assert math.isclose(forward.low, -backward.high, abs_tol=1e-9)
    assert math.isclose(forward.high, -backward.low, abs_tol=1e-9)


@given(values)
def test_groups_of_one_are_no_groups(data: list[float]) -> None:
    assert bootstrap_interval(data, rounds=50) == bootstrap_interval(data, rounds=50, groups=range(len(data)))


def test_repeated_questions_make_nothing_surer() -> None:
    data = [0.0, 1.0, 0.0, 1.0, 1.0, 0.5, 0.25, 1.0]
    once = bootstrap_interval(data)
    repeated = bootstrap_interval(data * 10, groups=list(range(8)) * 10)
    taken_for_more = bootstrap_interval(data * 10)
    assert (repeated.low, repeated.high) == pytest.approx((once.low, once.high))
    assert taken_for_more.high - taken_for_more.low < (once.high - once.low) / 2


def test_a_larger_group_counts_for_more() -> None:
    assert bootstrap_interval([1.0, 1.0, 1.0, 0.0], groups="aaab").mean == 0.75


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    chance = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        interval = bootstrap_interval(chance.beta(0.5, 1.5, size=50).tolist(), rounds=500)
        held += interval.low <= 0.25 <= interval.high
    assert 0.88 <= held / 200 <= 0.99


def test_p_values_of_no_difference_are_uniform() -> None:
    chance = np.random.default_rng(4)
    found = []
    for _ in range(300):
        new, old = chance.random(20), chance.random(20)
        found.append(paired_difference(new.tolist(), old.tolist(), rounds=300).p)
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_holm_against_the_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_lies_between_no_correction_and_bonferronis(p_values: list[float]) -> None:
    for plain, corrected in zip(p_values, holm(p_values), strict=True):
        assert plain <= corrected <= min(1.0, plain * len(p_values))


def test_significance_is_p_at_most_one_in_twenty() -> None:
    better = paired_difference([1.0] * 10, [0.0] * 10)
    assert better.p == pytest.approx(2 / 2**10)
    assert significant(better)
    assert not significant(paired_difference([1.0], [0.0]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": []}, "no values"),
        ({"values": [math.nan]}, "no number"),
        ({"values": [1.0], "level": 95}, "level is 95"),
        ({"values": [1.0], "rounds": 0}, "rounds is 0"),
        ({"values": [1.0, 2.0], "groups": ["a"]}, "1 groups were given for 2 values"),
    ],
)
def test_what_is_wrong_is_said(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        bootstrap_interval(**arguments)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="cannot be paired"):
        paired_difference([1.0], [])


def test_the_interval_of_an_area_under_the_roc_curve_is_scipys() -> None:
    chance = np.random.default_rng(7)
    good, bad = chance.normal(1, 1, size=40), chance.normal(0, 1, size=15).round(1)

    def area(good: np.ndarray, bad: np.ndarray, axis: int = -1) -> np.ndarray:
        wins = np.sign(good[..., :, np.newaxis] - bad[..., np.newaxis, :])
        return np.asarray((wins.mean(axis=(-2, -1)) + 1) / 2)

    ours = auroc_interval(good.tolist(), bad.tolist())
    theirs = stats.bootstrap(
        (good, bad), area, method="percentile", vectorized=True, rng=np.random.default_rng(8), batch=500
    ).confidence_interval
    assert ours.mean == pytest.approx(auroc(good.tolist(), bad.tolist()))
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.high, abs=0.01)

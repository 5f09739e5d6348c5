"""How sure a measured mean is, and whether one configuration is better than another.

    bootstrap_interval   the mean of values per question, with a BCa interval
    auroc_interval       the interval of an area under the ROC curve
    paired_difference    how much better, with its interval and the p-value of a randomisation test
    holm                 p-values of several comparisons, corrected

Questions of one conversation, or about one document, resemble each other. With
`groups` whole groups are drawn and flipped together, because intervals that
take such questions for independent ones are too narrow.

Sources: intervals are bias-corrected and accelerated (Efron 1987, "Better
bootstrap confidence intervals"; for retrieval Sakai 2006); the test flips signs
of differences (Fisher 1935; for retrieval Smucker, Allan and Carterette
2007, who find that it and the bootstrap agree and that Wilcoxon's and the sign test
do not); 1 is added to both counts of flips (Phipson and Smyth 2010), so that no
p-value is 0; several p-values are corrected by Holm (1979).

Refused: a t-test alone (measures such as hit@5 are far from normal), and scipy,
which weighs 100 MB; the tests compare with it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEVEL: Final = 0.95
ROUNDS: Final = 10_000
_EXACT: Final = 13
"""Up to so many groups that differ, all 2^n flips are tried: fewer than 10,000."""
_NUMBERS: Final = 2_000_000
"""Random numbers drawn at once, so that memory stays flat."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and where it lies with a confidence of `level` (95 % unless told otherwise)."""

    low: float
    mean: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How much a new mean is above an old one, its interval, and the p-value of "there is none"."""

    mean: float
    low: float
    high: float
    p: float


def bootstrap_interval(
    values: Sequence[float],
    *,
    level: float = LEVEL,
    rounds: int = ROUNDS,
    seed: int = 0,
    groups: Sequence[Hashable] | None = None,
) -> Interval:
    """The mean of `values` with its BCa bootstrap interval.

    `groups` names for each value what it belongs to (a conversation); whole
    groups are drawn. Where all groups have the same mean, or there is only one,
    nothing varies and both ends are the mean: that is no proof of certainty. The
    same arguments always give the same interval. Raises UsageError for no
    values, values that are no numbers, or a level or rounds out of range.
    """
    sums, sizes = _grouped(_checked(values, level, rounds), groups)
    return _interval(sums, sizes, level, rounds, seed)


def auroc_interval(
    positives: Sequence[float],
    negatives: Sequence[float],
    *,
    level: float = LEVEL,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Interval:
    """How often a positive scores above a negative (a tie counts half), with a percentile interval.

    Positives and negatives are drawn apart, each as many as there are (Efron and
    Tibshirani 1993, the problem of two samples). Raises UsageError as `bootstrap_interval` does.
    """
    above, below = _checked(positives, level, rounds), _checked(negatives, level, rounds)
    wins = (np.sign(above[:, np.newaxis] - below) + 1) / 2
    chance = np.random.default_rng(seed)
    block = max(1, _NUMBERS // (len(above) + len(below)))
    found: list[Floats] = []
    for start in range(0, rounds, block):
        count = min(block, rounds - start)
        rows = chance.multinomial(len(above), np.full(len(above), 1 / len(above)), size=count)
        columns = chance.multinomial(len(below), np.full(len(below), 1 / len(below)), size=count)
        found.append(((rows @ wins) * columns).sum(axis=1) / wins.size)
    low, high = np.quantile(np.concatenate(found), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(wins.mean()), float(high))


def paired_difference(
    new: Sequence[float],
    old: Sequence[float],
    *,
    level: float = LEVEL,
    rounds: int = ROUNDS,
    seed: int = 0,
    groups: Sequence[Hashable] | None = None,
) -> Difference:
    """How much better `new` is than `old`, question by question, in the same order.

    The p-value is two-sided: the share of ways to swap new and old (of all
    questions of a group together) whose mean difference is at least as
    large as the one found. All ways are tried where at most 13 groups differ, else
    `rounds` random ones. `level` belongs to the interval. Raises UsageError as
    `bootstrap_interval` does, and for sequences of different lengths.
    """
    if len(new) != len(old):
        raise UsageError(
            f"{len(new)} new values cannot be paired with {len(old)} old ones; expected one a question each."
        )
    differences = _checked(new, level, rounds) - _checked(old, level, rounds)
    sums, sizes = _grouped(differences, groups)
    interval = _interval(sums, sizes, level, rounds, seed)
    return Difference(interval.mean, interval.low, interval.high, _flip_p(sums, rounds, seed))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of a family of comparisons, corrected by Holm's step-down method, in the same order.

    The chance that any of those at most α is a false alarm is at most α.
    """
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for place, number in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[number]))
        corrected[number] = highest
    return corrected


def significant(difference: Difference, *, level: float = LEVEL) -> bool:
    """Whether a difference is too large for chance: its p-value is at most 1 - `level`."""
    return difference.p <= 1 - level + 1e-9


def _checked(values: Sequence[float], level: float, rounds: int) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not len(numbers):
        raise UsageError(f"There are no values to compute an interval of (shape {numbers.shape}).")
    if not np.isfinite(numbers).all():
        raise UsageError("One of the values is no number (not finite); expected a measure of each question.")
    if not 0 < level < 1:
        raise UsageError(f"level is {level!r}; expected more than 0 and less than 1, such as 0.95.")
    if rounds < 1:
        raise UsageError(f"rounds is {rounds!r}; expected 1 or more, such as 10000.")
    return numbers


def _grouped(values: Floats, groups: Sequence[Hashable] | None) -> tuple[Floats, Floats]:
    """The sum of each group's values and how many they are, in the order in which groups first appear."""
    if groups is None:
        return values, np.ones(len(values))
    if len(groups) != len(values):
        raise UsageError(f"{len(groups)} groups were given for {len(values)} values; expected one a value.")
    numbers: dict[Hashable, int] = {}
    rows = [numbers.setdefault(group, len(numbers)) for group in groups]
    sizes = np.bincount(rows).astype(np.float64)
    return np.bincount(rows, weights=values).astype(np.float64), sizes


def _interval(sums: Floats, sizes: Floats, level: float, rounds: int, seed: int) -> Interval:
    mean = float(sums.sum() / sizes.sum())
    leave_one_out = _without_each(sums, sizes)
    if len(sums) < 2 or np.ptp(leave_one_out) < 1e-12:
        return Interval(mean, mean, mean)
    means = np.concatenate(list(_resampled(sums, sizes, rounds, seed)))
    low, high = _bca_shares(means, mean, leave_one_out, level)
    ends = np.quantile(means, [low, high])
    return Interval(float(ends[0]), mean, float(ends[1]))


def _without_each(sums: Floats, sizes: Floats) -> Floats:
    """The mean without each group in turn (the jackknife), shape (groups,)."""
    if len(sums) < 2:
        return np.full(len(sums), sums.sum() / sizes.sum())
    rest: Floats = (sums.sum() - sums) / (sizes.sum() - sizes)
    return rest


def _resampled(sums: Floats, sizes: Floats, rounds: int, seed: int) -> Iterator[Floats]:
    """Means of samples of groups drawn with replacement, in blocks."""
    chance = np.random.default_rng(seed)
    block = max(1, _NUMBERS // len(sums))
    for start in range(0, rounds, block):
        drawn = chance.integers(len(sums), size=(min(block, rounds - start), len(sums)))
        yield sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)


def _bca_shares(means: Floats, mean: float, leave_one_out: Floats, level: float) -> tuple[float, float]:
    """Which shares of the resampled means are the ends of the interval (Efron 1987)."""
    normal = NormalDist()
    close = np.isclose(means, mean, rtol=0, atol=1e-12)
    below = float(((means < mean) & ~close).mean() + close.mean() / 2)
    # With few rounds every mean may lie on one side; the correction then stays finite.
    bias = normal.inv_cdf(min(max(below, 0.5 / len(means)), 1 - 0.5 / len(means)))
    away = leave_one_out.mean() - leave_one_out
    acceleration = float((away**3).sum() / (6 * (away**2).sum() ** 1.5))

    def share(quantile: float) -> float:
        moved = bias + normal.inv_cdf(quantile)
        return normal.cdf(bias + moved / (1 - acceleration * moved))

    return share((1 - level) / 2), share((1 + level) / 2)


def _flip_p(sums: Floats, rounds: int, seed: int) -> float:
    """Two-sided p-value of the sum of differences when the sign of each group's is a coin's."""
    differing = sums[np.abs(sums) > 1e-12]  # flipping a 0 changes nothing
    if not len(differing):
        return 1.0
    found = abs(float(differing.sum())) - 1e-9  # what only rounding tells apart is equal
    if len(differing) <= _EXACT:
        bits = np.arange(2 ** len(differing))[:, np.newaxis] >> np.arange(len(differing)) & 1
        return float(np.mean(np.abs((1 - 2 * bits) @ differing) >= found))
    chance = np.random.default_rng(seed)
    block = max(1, _NUMBERS // len(differing))
    as_large = 0
    for start in range(0, rounds, block):
        shape = (min(block, rounds - start), len(differing))
        signs = 1 - 2 * chance.integers(2, size=shape, dtype=np.int8)
        as_large += int(np.count_nonzero(np.abs(signs @ differing) >= found))
    return (1 + as_large) / (1 + rounds)

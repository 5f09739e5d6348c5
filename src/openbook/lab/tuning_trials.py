"""One fitted configuration against the present one, on each part of the questions, and what may be adopted.

Values are fitted on the training part; validation chooses one of a family of trials (those that are
judged by the same measure); the test part decides about it, with Holm's correction over
all families that chose one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from openbook.lab.significance import Difference, holm, paired_difference, significant

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.calibrating import FittedCalibration
    from openbook.lab.tuning_questions import Parts

    Floats = NDArray[np.float64]
    Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings that were fitted, and by how much `measure` rises with them on each part.

    `chosen` marks what validation chose, the only one that may be adopted;
    `p` is its p-value, corrected where several decide. `calibration` is what
    `after` describes where that are no settings but a calibration's numbers.
    `harmful` says that it makes the decision to answer worse, whatever else it gains.
    """

    name: str
    measure: str
    before: Mapping[str, float]
    after: Mapping[str, float]
    train: float
    validation: float
    test: Difference
    chosen: bool = False
    p: float | None = None
    calibration: FittedCalibration | None = None
    harmful: bool = False

    @property
    def convincing(self) -> bool:
        """Whether it may be adopted."""
        return (
            self.chosen
            and self.p is not None
            and self.p < 0.05
            and significant(self.test)
            and self.test.low > 0
            and not self.harmful
        )


@dataclass(frozen=True, slots=True)
class Part:
    """Positions of the questions of each part that count for a measure, and every question's group."""

    train: Positions
    validation: Positions
    test: Positions
    groups: Sequence[int]

    @classmethod
    def of(cls, parts: Parts, groups: Sequence[int], wanted: Sequence[bool]) -> Part:
        """Of all questions those that are wanted."""
        mask = np.array(wanted, dtype=np.bool_)
        train, validation, test = (part[mask[part]] for part in (parts.train, parts.validation, parts.test))
        return cls(train, validation, test, groups)

    def counts(self) -> dict[str, int]:
        """How many questions each part has."""
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}

    def trial(
        self,
        name: str,
        measure: str,
        settings: tuple[Mapping[str, float], Mapping[str, float]],
        values: Callable[[Positions], tuple[Floats, Floats]],
    ) -> Trial:
        """Compare settings (before, after); `values` gives each question's value after and before."""
        gains = []
        for part in (self.train, self.validation):
            new, old = values(part)
            gains.append(float(new.mean() - old.mean()))
        new, old = values(self.test)
        groups = [self.groups[int(position)] for position in self.test]
        difference = paired_difference(new.tolist(), old.tolist(), groups=groups)
        return Trial(name, measure, settings[0], settings[1], gains[0], gains[1], difference)


def with_choice(trials: Sequence[Trial]) -> list[Trial]:
    """Mark the one that gains most on the validation part, if any gains and changes anything."""
    able = [one for one in trials if one.before != one.after and one.validation > 0]
    if not able:
        return list(trials)
    # Of equals the one that changes less.
    best = max(able, key=lambda one: (round(one.validation, 9), -len(one.after)))
    return [replace(one, chosen=one is best) for one in trials]


def decided(trials: Sequence[Trial], name: str, *, more: int) -> list[Trial]:
    """The trials, the one of this name with a corrected p-value before the others have theirs.

    As nobody knows yet where it will stand among them, it is corrected for all that were chosen and the
    `more` that may follow (Bonferroni): never less than by Holm's method.
    """
    family = more + sum(one.chosen for one in trials)
    return [
        replace(one, p=min(1.0, family * one.test.p)) if one.chosen and one.name == name else one
        for one in trials
    ]


def corrected(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The trials with the p-values of those that were chosen, corrected by Holm's method.

    A p-value that was given before stays.
    """
    chosen = [place for place, one in enumerate(trials) if one.chosen]
    values = dict(zip(chosen, holm([trials[place].test.p for place in chosen]), strict=True))
    return tuple(
        replace(one, p=values[place]) if place in values and one.p is None else one
        for place, one in enumerate(trials)
    )

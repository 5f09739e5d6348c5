"""The questions that a library is tuned on, in three parts that share nothing.

Questions of one conversation, and questions that the same place answers, stay
in one part: what was learned from the one would be known of the other. On the
training part values are fitted, on the validation part one configuration is
chosen, and the test part is looked at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.errors import UsageError
from openbook.lab.labelled_sets import Gold
from openbook.types import Exchange

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.lab.labelled_sets import BeirSet, Question

SHARES: Final = (0.3, 0.2, 0.5)
"""Of the questions, for training, validation and test. The test gets most: it has to convince."""

FEWEST: Final = 20
"""Questions with an answer. Fewer than four for validation choose nothing."""

_LARGEST: Final = 0.35
"""Of all questions, in one group at most; a larger one leaves too little for the other parts."""
_CROWD: Final = 0.25
"""A place that answers more than this share of the questions does not tie them together."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what is right: documents with their grades, or parts with the places that hold them.

    One without either has no answer in the library. `group` names its conversation, or itself.
    `quotes` holds gold quotes where documents are graded: for each thing that is needed those of
    which one will do.
    """

    id: str
    text: str
    group: str
    history: tuple[Exchange, ...] = ()
    grades: Mapping[str, int] = field(default_factory=dict)
    needs: tuple[tuple[Gold, ...], ...] = ()
    quotes: tuple[tuple[str, ...], ...] = ()

    @property
    def answerable(self) -> bool:
        """Whether anything in the library answers it."""
        return bool(self.grades or self.needs)

    def golds(self) -> tuple[tuple[str, ...], ...]:
        """Gold quotes, as `openbook.lab.answer_judging.judge` wants them; none where none are known."""
        groups = (tuple(gold.quote for gold in golds if gold.quote) for golds in self.needs)
        return (*self.quotes, *(group for group in groups if group))

    def places(self) -> set[Hashable]:
        """What answers it."""
        graded = {path for path, grade in self.grades.items() if grade > 0}
        return {*graded, *(gold for golds in self.needs for gold in golds)}


@dataclass(frozen=True, slots=True)
class Parts:
    """Positions (ascending) of the questions of each part."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def asked_of_set(labelled: BeirSet) -> tuple[Asked, ...]:
    """The questions of a BEIR folder. Labelled answers that cannot be given are questions too."""
    clusters = labelled.clusters()
    quotes = {
        row.id: ((" ".join(row.selected),),) for row in labelled.answers if row.answerable and row.selected
    }
    found = [
        Asked(
            query,
            text,
            clusters.get(query, query),
            tuple(labelled.histories.get(query, ())),
            labelled.grades[query],
            quotes=quotes.get(query, ()),
        )
        for query, text in labelled.queries.items()
    ]
    found += [
        Asked(row.id, row.question, row.id)
        for row in labelled.answers
        if not row.answerable and row.id not in labelled.queries
    ]
    return tuple(found)


def asked_of_questions(questions: Iterable[Question]) -> tuple[Asked, ...]:
    """The questions of a questions file."""
    return tuple(
        Asked(one.id, one.text, one.conversation or one.id, one.history, needs=one.needs) for one in questions
    )


def groups_of(asked: Sequence[Asked]) -> list[int]:
    """A number for each question; equal ones belong together, directly or through others.

    Tied together are questions of one conversation and those that a place
    answers both, unless that place answers a crowd. Where places would tie a large
    part of all questions to each other, only conversations count.
    """
    numbers = _tied(asked, by_places=True)
    if max(Counter(numbers).values(), default=0) <= _LARGEST * len(asked):
        return numbers
    return _tied(asked, by_places=False)


def _tied(asked: Sequence[Asked], *, by_places: bool) -> list[int]:
    answers = Counter(place for one in asked for place in one.places())
    most = max(2.0, _CROWD * len(asked))
    leader: dict[Hashable, Hashable] = {}

    def find(name: Hashable) -> Hashable:
        while (above := leader.setdefault(name, name)) != name:
            name = above
        return name

    for number, one in enumerate(asked):
        keys: list[Hashable] = [("group", one.group)]
        if by_places:
            keys += [("place", place) for place in one.places() if 1 < answers[place] <= most]
        for key in keys:
            leader[find(key)] = find(number)
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(find(number), len(numbers)) for number in range(len(asked))]


def split(asked: Sequence[Asked], *, seed: int = 0) -> Parts:
    """Three parts, whole groups each; questions with and without an answer are shared out alike.

    Raises UsageError for fewer than 20 questions with an answer, and for fewer
    than three groups of them.
    """
    answerable = sum(one.answerable for one in asked)
    if answerable < FEWEST:
        raise UsageError(
            f"There are {answerable} questions with an answer; tuning needs at least {FEWEST}, and a few "
            "hundred to find small gains. Label more, or name no questions to have them made."
        )
    groups = np.array(groups_of(asked))
    if len({int(group) for group, one in zip(groups, asked, strict=True) if one.answerable}) < len(SHARES):
        raise UsageError(
            "The questions come from fewer than three conversations, so that they cannot be divided into "
            "parts that share nothing. Add questions from others."
        )
    chance = np.random.default_rng(seed)
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    kinds = np.array([one.answerable for one in asked])
    for kind in (True, False):
        members = np.flatnonzero(kinds == kind)
        for group in chance.permutation(np.unique(groups[members])):
            part = _neediest(parts, kinds, kind=kind)
            _put(part, np.flatnonzero(groups == group).tolist(), parts)
    train, validation, test = (np.array(sorted(part), dtype=np.int64) for part in parts)
    return Parts(train, validation, test)


def _neediest(parts: tuple[list[int], ...], kinds: NDArray[np.bool_], *, kind: bool) -> list[int]:
    """The part that is furthest behind its share of this kind of questions."""
    counts = [sum(bool(kinds[number]) == kind for number in part) for part in parts]
    return min(zip(parts, SHARES, counts, strict=True), key=lambda row: row[2] / row[1])[0]


def _put(part: list[int], members: Sequence[int], parts: tuple[list[int], ...]) -> None:
    if not any(members[0] in other for other in parts):  # a group of both kinds was put already
        part.extend(members)


def shuffled(asked: Sequence[Asked], *, seed: int, kinds: bool = False) -> tuple[Asked, ...]:
    """The same questions with what is right dealt out anew: nothing true can be learned from them.

    With `kinds`, which questions have an answer at all is dealt out too.
    """
    right = [one for one in asked if one.answerable or kinds]
    order = iter(np.random.default_rng(seed).permutation(len(right)))
    dealt = []
    for one in asked:
        if one.answerable or kinds:
            other = right[next(order)]
            one = replace(one, grades=other.grades, needs=other.needs, quotes=other.quotes)
        dealt.append(one)
    return tuple(dealt)

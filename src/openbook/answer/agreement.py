"""What of a claim its evidence says exactly so, and what it says otherwise.

Meaning is judged elsewhere, by words and vectors, and both hardly notice when
one number, name or "not" is changed. So claim and evidence are laid side by
side, word by word (a global alignment after Needleman and Wunsch, 1970, whose
gaps cost next to nothing on the evidence's side), and read for contradictions:
a number or name that stands nowhere, or stands elsewhere while the place where
it should stand holds another; a negation on one side only; an opposite.

Refused: counting a name as agreed because it occurs somewhere in the evidence.
A swapped name usually does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from typing import Final, TypeAlias

from openbook.answer.agreement_tokens import Token, folded
from openbook.answer.agreement_words import NEGATING_PREFIXES, OPPOSITES

Stem: TypeAlias = Callable[[str], str]
Pairs: TypeAlias = list[tuple[int, int]]

EXACT: Final = ("number", "name", "code")
"""Kinds of tokens that another of its kind cannot stand in for."""
_WEIGHTS: Final = {"number": 1.5, "name": 1.5, "code": 1.5, "negation": 0.4, "word": 1.0}
_STOP_WEIGHT = 0.12
_GAP = 0.03
_TOGETHER = 8
"""Words between a name and a word that it belongs to."""
_UNRIVALLED = 0.4
_COUNTED = 0.4
_SENTENCE_END = 6
_TIGHT = 4
_MOST_PLACES = 12
"""Of one word; text that repeats a word without end shall not cost without end."""
_REACH = 5
"""Words that a negation reaches, and how far from an anchor a slot of the evidence goes on."""
_MOST_TOKENS = 320
_ROUNDED: Final = Decimal("0.05")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Signals of disagreement, each 0 where there is none, and `order` and its like, 1 at best.

    order           share (0 to 1) of the claim's words that the evidence has in the same order
    numbers_absent  numbers of the claim that stand nowhere in the evidence
    names_absent    names, and names of code, that stand nowhere; parts count in part
    swapped         numbers and names in whose place the evidence has others
    loose           how far (0 to 1) the loosest number or name stands from the
                    words that it belongs to in the claim
    negated         negations on one side only
    opposed         words in whose place the evidence has their opposite
    units           numbers that have another unit in the evidence
    """

    order: float = 0.0
    numbers_absent: float = 0.0
    names_absent: float = 0.0
    swapped: float = 0.0
    loose: float = 0.0
    negated: float = 0.0
    opposed: float = 0.0
    units: float = 0.0
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    reasons: list[str] = field(default_factory=list)

    def say(self, reason: str) -> None:
        if reason not in self.reasons:
            self.reasons.append(reason)


def stemmed(tokens: Sequence[Token], stem: Stem) -> tuple[Token, ...]:
    """The tokens with the stems of their words as further keys; words without a stem are stop words.

    A name gets a key with the word behind it as well, so that "Wal - Mart" is "Walmart".
    """
    result = []
    for place, token in enumerate(tokens):
        root = ""
        if token.kind in ("word", "name", "code"):
            root = stem(token.text.removesuffix("()"))
        if root:
            token = replace(token, keys=token.keys | {f"~{root}"})
        elif token.kind == "word":
            token = replace(token, stop=True)
        following = tokens[place + 1] if place + 1 < len(tokens) else None
        if token.kind == "name" and following is not None and following.start - token.end <= 3:
            token = replace(token, keys=token.keys | {folded(token.text + following.text)})
        result.append(token)
    return tuple(result)


def compare(
    claim: Sequence[Token],
    near: Sequence[Token],
    *,
    around: frozenset[str],
    anywhere: frozenset[str],
    topic: frozenset[str] = frozenset(),
    named: str = "the evidence",
) -> Agreement:
    """How exactly the claim agrees with `near`, the words of the sentences that it rests on.

    `around` holds the keys of what stands beside them (neighbouring sentences,
    title, heading), `topic` those of title and heading alone, `anywhere` all
    keys of the evidence. `named` is what the reasons call the evidence.
    """
    claim, near = claim[:_MOST_TOKENS], near[:_MOST_TOKENS]
    pairs = align(claim, near)
    found = _Found()
    total = sum(_weight(token) for token in claim)
    order = sum(_weight(claim[i]) for i, _ in pairs) / total if total else 0.0
    known = around.union(anywhere, *(token.keys for token in near))
    swapped = _swapped(claim, near, around, pairs, found, named)
    prefixed = _prefixed(claim, near)
    return Agreement(
        order=order,
        numbers_absent=_absent(claim, known, ("number",), near, found, named),
        names_absent=_absent(claim, known, ("name", "code"), near, found, named),
        swapped=swapped,
        loose=_loose(claim, near, topic, found, named),
        negated=_negated(claim, near, pairs, prefixed, found, named),
        opposed=_opposed(claim, near, pairs, found, named),
        units=_units(claim, near, found, named),
        reasons=tuple(found.reasons),
    )


# -- alignment -----------------------------------------------------------------


def align(claim: Sequence[Token], near: Sequence[Token]) -> Pairs:
    """Pairs (place in claim, place in near) of tokens that agree, both rising: the best such chain."""
    rows, columns = len(claim), len(near)
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    match = [[_agree(one, other) for other in near] for one in claim]
    for i in range(1, rows + 1):
        weight, above, row, hits = _weight(claim[i - 1]), best[i - 1], best[i], match[i - 1]
        for j in range(1, columns + 1):
            score = max(above[j], row[j - 1] - (_GAP if i < rows else 0.0))
            if hits[j - 1]:
                score = max(score, above[j - 1] + weight)
            row[j] = score
    pairs: Pairs = []
    i, j = rows, columns
    while i and j:
        if match[i - 1][j - 1] and best[i][j] == best[i - 1][j - 1] + _weight(claim[i - 1]):
            pairs.append((i - 1, j - 1))
            i, j = i - 1, j - 1
        elif best[i][j] == best[i - 1][j]:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def _weight(token: Token) -> float:
    return _STOP_WEIGHT if token.stop else _WEIGHTS[token.kind]


def _agree(one: Token, other: Token) -> bool:
    if not one.keys.isdisjoint(other.keys):
        return True
    return (one.about or other.about) and one.kind == other.kind == "number" and _about(one, other)


def _about(one: Token, other: Token) -> bool:
    first, second = one.value, other.value
    if first is None or second is None or not first or not second:
        return False
    # 1990 is not about 2010, nor 3 about 3.1: only large numbers are rounded, and years hardly.
    year = all(1000 <= value < 2200 and value == int(value) for value in (first, second))
    return not year and abs(first - second) <= abs(first) * _ROUNDED


# -- numbers and names that stand nowhere ---------------------


def _absent(
    claim: Sequence[Token],
    known: frozenset[str],
    kinds: Sequence[str],
    near: Sequence[Token],
    found: _Found,
    named: str,
) -> float:
    """How many of the claim's numbers, or names, stand nowhere in the evidence."""
    count = 0.0
    for run in _runs(claim, kinds):
        lost = [token for token in run if not _held(token, known, near)]
        if lost:
            found.say(f"{_text(lost)} is not in {named}")
            # "two of them" may have been counted by the writer; 2,417 was read somewhere.
            counted = run[0].kind == "number" and not any(c.isdigit() for c in run[0].text)
            count += _COUNTED if counted else len(lost) / len(run)
    return count


def _runs(tokens: Sequence[Token], kinds: Sequence[str]) -> Iterator[list[Token]]:
    """Names of several words as one run; numbers one by one."""
    run: list[Token] = []
    for token in tokens:
        if token.kind not in kinds or token.soft:
            continue
        if run and token.kind == "name" and run[-1].kind == "name" and token.start - run[-1].end <= 2:
            run.append(token)
            continue
        if run:
            yield run
        run = [token]
    if run:
        yield run


def _held(token: Token, keys: frozenset[str], near: Sequence[Token]) -> bool:
    if not token.keys.isdisjoint(keys):
        return True
    if token.kind == "name":
        return any(_akin(key, other) for key in token.keys for other in keys)
    if token.about or any(other.about for other in near):
        return any(_agree(token, other) for other in near)
    return False


def _exactly_held(token: Token, keys: frozenset[str], near: Sequence[Token]) -> bool:
    return not token.keys.isdisjoint(keys) or (token.about and _held(token, keys, near))


def _akin(one: str, other: str) -> bool:
    """Whether two words are of one family, as "Canada" and "Canadian" are."""
    if len(one) < 4 or len(other) < 4 or one[:4] != other[:4]:
        return False
    shared = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    return shared >= 0.7 * min(len(one), len(other)) and abs(len(one) - len(other)) <= 4


def _text(run: Sequence[Token]) -> str:
    return " ".join(token.text for token in run)


# -- other words in the same place -------------------------------------------------


def _slots(
    claim: Sequence[Token], near: Sequence[Token], pairs: Pairs
) -> Iterator[tuple[Sequence[Token], Sequence[Token]]]:
    """What stands between neighbouring pairs on either side; of long stretches the ends only."""
    if not pairs:
        return
    first, last = pairs[0], pairs[-1]
    yield claim[: first[0]], near[max(first[1] - _REACH, 0) : first[1]]
    for (i, j), (next_i, next_j) in pairwise(pairs):
        if next_i - i > 1:
            between = near[j + 1 : next_j]
            if len(between) > 2 * _REACH:
                between = [*between[:_REACH], *between[-_REACH:]]
            yield claim[i + 1 : next_i], between
    yield claim[last[0] + 1 :], near[last[1] + 1 : last[1] + 1 + _REACH]


def _swapped(
    claim: Sequence[Token],
    near: Sequence[Token],
    around: frozenset[str],
    pairs: Pairs,
    found: _Found,
    named: str,
) -> float:
    """Numbers and names where the evidence has others of their kind, which the claim has nowhere."""
    said = frozenset().union(*(token.keys for token in claim))
    held = frozenset().union(*(token.keys for token in near))
    count = 0.0
    for ours, theirs in _slots(claim, near, pairs):
        tight = len(ours) <= _TIGHT and len(theirs) <= _TIGHT
        for kind in EXACT:
            lost = [token for token in ours if token.kind == kind and not _exactly_held(token, held, near)]
            instead = [token for token in theirs if token.kind == kind and not _held(token, said, ())]
            soft = all(token.soft or not token.keys.isdisjoint(around) for token in lost)
            if lost and not instead and tight and not soft:
                # Where the evidence has a plain word, it may be another word for the same.
                instead = [token for token in theirs if not token.stop and not _held(token, said, ())]
                soft = True
            if lost and instead:
                count += 0.5 if soft else 1.0
                found.say(f"{named} has {_text(instead)} where this has {_text(lost)}")
    return count


def _loose(
    claim: Sequence[Token], near: Sequence[Token], topic: frozenset[str], found: _Found, named: str
) -> float:
    """The largest share of a name's, or number's, neighbours that stand in `near`, but not near it.

    A name taken from the next sentence is there, and all the words around it
    are; only they are not together, and another name stands with them. Without
    another ("it", "he") the writer may have joined two sentences, so it counts
    for less; and what the title names may be meant anywhere.
    """
    places: dict[str, list[int]] = {}
    for place, token in enumerate(near):
        for key in token.keys:
            if len(places.setdefault(key, [])) < _MOST_PLACES:
                places[key].append(place)
    away = _distances(near)
    said = frozenset().union(*(token.keys for token in claim))
    worst = 0.0
    for run in _runs(claim, EXACT):
        first, last = claim.index(run[0]), claim.index(run[-1])
        beside = [_places([token], places) for token in _beside(claim, first, last)]
        own, known = _places(run, places), [one for one in beside if one]
        of_topic = sum(not token.keys.isdisjoint(topic) for token in run) >= len(run) / 2
        if not own or not known or of_topic:
            continue
        share = (len(known) - max(_together(place, known, away) for place in own)) / len(beside)
        if share and not _rivals(run[0], near, known, said, away):
            share *= _UNRIVALLED
        elif share > 0.5:
            found.say(f"{named} has {_text(run)} in another connection")
        worst = max(worst, share)
    return worst


def _distances(tokens: Sequence[Token]) -> list[int]:
    """Where each token stands, in words; the end of a sentence counts for several."""
    result, ends = [], 0
    for place, token in enumerate(tokens):
        ends += token.initial
        result.append(place + _SENTENCE_END * ends)
    return result


def _together(place: int, known: Sequence[set[int]], away: Sequence[int]) -> int:
    """How many words of `known`, each given by its places, stand near `place`."""
    return sum(any(abs(away[place] - away[other]) <= _TOGETHER for other in one) for one in known)


def _rivals(
    token: Token,
    near: Sequence[Token],
    known: Sequence[set[int]],
    said: frozenset[str],
    away: Sequence[int],
) -> bool:
    """Whether another of the token's kind, which the claim has nowhere, stands where its neighbours are."""
    spots = set().union(*known)
    most = max(_together(spot, known, away) for spot in spots)
    for spot in spots:
        if _together(spot, known, away) < most:
            continue
        low, high = spot, spot
        while low > 0 and low > spot - _REACH and not near[low].initial:
            low -= 1
        while high + 1 < len(near) and high < spot + _REACH and not near[high + 1].initial:
            high += 1
        if any(other.kind == token.kind and other.keys.isdisjoint(said) for other in near[low : high + 1]):
            return True
    return False


def _places(tokens: Sequence[Token], places: Mapping[str, list[int]]) -> set[int]:
    return {place for token in tokens for key in token.keys for place in places.get(key, ())}


def _beside(claim: Sequence[Token], first: int, last: int) -> list[Token]:
    """Up to two words with meaning at each side of claim[first:last + 1], of its own clause if it has any."""
    sides = [
        [token for token in side if not token.stop and token.kind != "negation"][:2]
        for side in (claim[:first][::-1], claim[last + 1 :])
    ]
    found = [token for side in sides for token in side]
    own = [token for token in found if token.clause in (claim[first].clause, claim[last].clause)]
    return own or found


def _opposed(claim: Sequence[Token], near: Sequence[Token], pairs: Pairs, found: _Found, named: str) -> float:
    count = 0.0
    for ours, theirs in _slots(claim, near, pairs):
        for token in ours:
            for other in theirs:
                if frozenset((token.text.lower(), other.text.lower())) in OPPOSITES:
                    count += 1
                    found.say(f"{named} says {other.text!r} where this says {token.text!r}")
    return count


def _units(claim: Sequence[Token], near: Sequence[Token], found: _Found, named: str) -> float:
    """Numbers that the evidence has with another unit, and never with theirs or without one."""
    count = 0.0
    for token in claim:
        if token.kind != "number" or not token.unit:
            continue
        units = {other.unit for other in near if other.kind == "number" and _agree(token, other)}
        if units and token.unit not in units and "" not in units:
            count += 1
            found.say(f"{named} has {token.text} in {', '.join(sorted(units))}, not in {token.unit}")
    return count


# -- negation ------------------------------------------------------------------------


def _negated(
    claim: Sequence[Token],
    near: Sequence[Token],
    pairs: Pairs,
    prefixed: int,
    found: _Found,
    named: str,
) -> float:
    """Negations on one side only, of words that stand on both. "not able" and "unable" agree."""
    ours, more = _one_sided(claim, near, dict(pairs))
    theirs, less = _one_sided(near, claim, {j: i for i, j in pairs})
    # A prefix on one side and a negation on the other undo each other.
    count = abs(more + less - prefixed) if prefixed else more + less
    if count:
        for token in ours[:1]:
            found.say(f"{named} does not say {token.text!r} here")
        for token in theirs[:1]:
            found.say(f"{named} says {token.text!r} here")
        if not ours and not theirs:
            found.say(f"{named} says the contrary of a word with un-, in- or the like")
    return float(count)


def _one_sided(
    tokens: Sequence[Token], others: Sequence[Token], matched: dict[int, int]
) -> tuple[list[Token], float]:
    """Negations of `tokens` whose words stand in `others` too, without one beside them; and their weight.

    Half the weight where what they negate stands several times, on both sides or in none.
    """
    alone: list[Token] = []
    weight = 0.0
    for place, token in enumerate(tokens):
        if token.kind != "negation":
            continue
        heads = _negated_words(tokens, place)
        known = [matched[head] for head in heads if head in matched]
        if not known:
            known = [
                other
                for other, one in enumerate(others)
                if any(not one.keys.isdisjoint(tokens[head].keys) for head in heads)
            ]
        if any(_near_negation(others, other) for other in known):
            continue
        if known:
            twice = any(
                other != place
                and not tokens[other].keys.isdisjoint(tokens[head].keys)
                and not _near_negation(tokens, other)
                for head in heads
                for other in range(len(tokens))
                if other != head
            )
            alone.append(token)
            weight += 0.5 if twice else 1.0
    return alone, weight


def _negated_words(tokens: Sequence[Token], place: int) -> list[int]:
    """Places of the first words with meaning behind a negation; before it, where none follows."""
    clause = tokens[place].clause
    after = [
        index
        for index in range(place + 1, min(place + 1 + _REACH, len(tokens)))
        if tokens[index].clause == clause and not tokens[index].stop and tokens[index].kind != "negation"
    ]
    if after:
        return after[:2]
    before = [index for index in range(max(place - _REACH, 0), place) if not tokens[index].stop]
    return before[-1:]


def _near_negation(tokens: Sequence[Token], place: int) -> bool:
    reach = tokens[max(place - _REACH, 0) : place + 3]
    return any(token.kind == "negation" for token in reach)


def _prefixed(claim: Sequence[Token], near: Sequence[Token]) -> int:
    """Words of the claim that the evidence has only with, or only without, a negating prefix."""
    ours = {token.text.lower() for token in claim if token.kind == "word"}
    theirs = {token.text.lower() for token in near if token.kind == "word"}
    count = 0
    for one, others, own in ((ours - theirs, theirs, ours), (theirs - ours, ours, theirs)):
        for word in one:
            for prefix in NEGATING_PREFIXES:
                rest = word.removeprefix(prefix).removeprefix("-")
                if len(prefix) > 1 and word != rest and len(rest) >= 4 and rest in others and rest not in own:
                    count += 1
                    break
    return count

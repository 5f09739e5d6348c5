"""Each value of a structured answer, and the sentence of the documents that it stands in.

A model that fills in fields does not say where from, and would be believed if
it did not have to. So for every value the program looks for the places where
exactly this number, date or name stands, takes the one that speaks most of the
field, and has it judged whether it says so. Numbers and dates agree in any
way of writing ("2009-06-19", "19 June 2009"); a yes, a choice from a list and a
longer text need not stand there word for word and are judged as claims.

Refused: asking the model for its sources, and calling a value supported
because it occurs somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, Protocol, TypeAlias

from openbook.answer.agreement_tokens import Token, read_tokens
from openbook.answer.json_text import Json, at, leaves, parts_of, written
from openbook.answer.schema import described
from openbook.answer.sentences import Sentence, sentences
from openbook.types import Citation, Claim, Evidence

MOST_VALUES: Final = 300
"""Values that are looked for; further ones count as not supported."""
PROSE_WORDS: Final = 9
"""From this many words on, a text is a statement and not a name."""
ENOUGH_OF_FIELD: Final = 0.5
"""Share of a field's words that beside the exact value make a place say the field."""
LONGEST_QUOTE: Final = 600
_SLACK: Final = 3
"""Words that may stand between those of a value: "19 June, in the year 2009"."""

_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\dA-Za-z_]+")


class Judgement(Protocol):
    """How well some evidence says a claim; see `openbook.answer.support.Support`."""

    @property
    def probability(self) -> float: ...
    @property
    def supported(self) -> bool: ...
    @property
    def number(self) -> int: ...
    @property
    def quote(self) -> str: ...
    @property
    def source_start(self) -> int: ...
    @property
    def source_end(self) -> int: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...


Judge: TypeAlias = Callable[[Sequence[tuple[str, Sequence[Evidence]]]], Sequence[Judgement]]
"""(claim, evidence) pairs → how well the best of the evidence says each claim."""
ContentWords: TypeAlias = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Bound:
    """The text of a structured answer with its citations and claims, in the order of the text."""

    text: str
    citations: tuple[Citation, ...]
    claims: tuple[Claim, ...]

    @property
    def unsupported(self) -> tuple[str, ...]:
        """Pointers of the values that no evidence says."""
        return tuple(c.field for c in self.citations if not c.supported)


@dataclass(frozen=True, slots=True)
class _Field:
    """A value, and what it is called: the words of its field, and of the values beside it."""

    pointer: str
    value: Json
    label: str
    beside: str
    literal: bool

    @property
    def claim(self) -> str:
        """What the document would have to say."""
        return f"{self.beside} {self.label}: {_plain(self.value)}".strip()


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence of a piece: its tokens, and the words of it and of what stands around it."""

    piece: Evidence
    start: int
    end: int
    tokens: tuple[Token, ...]
    around: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value stands: the sentence, and how much of the field and of its neighbours it speaks of."""

    unit: _Unit
    field_share: float
    beside_share: float


class Binder:
    """Binds the values of one answer to its evidence."""

    def __init__(self, evidence: Sequence[Evidence], judge: Judge, content_words: ContentWords) -> None:
        self._evidence = evidence
        self._judge = judge
        self._content_words = content_words
        self._units = [unit for piece in evidence for unit in _units(piece)]
        self._at: dict[str, list[int]] = {}
        for index, unit in enumerate(self._units):
            for key in frozenset().union(*(token.keys for token in unit.tokens)):
                self._at.setdefault(key, []).append(index)

    def bind(self, value: Json, definition: Mapping[str, Any]) -> Bound:
        """The citations and claims of a value, each for one value in it that is not null.

        A citation's `field` is the pointer of what it cites; a value that no
        evidence comes near has a claim, and no citation.
        """
        text, spans = written(value)
        found = [
            _field(value, pointer, leaf, definition) for pointer, leaf in leaves(value) if leaf is not None
        ]
        looked = found[:MOST_VALUES]
        places = [self._best_place(field) if field.literal else None for field in looked]
        asked = [
            (field.claim, [_narrowed(place.unit)] if place is not None else self._evidence)
            for field, place in zip(looked, places, strict=True)
        ]
        judged = self._judge(asked) if asked else ()
        citations: list[Citation] = []
        claims: list[Claim] = []
        for field, place, judgement in zip(looked, places, judged, strict=True):
            citation, claim = _bound(field, place, judgement, spans[field.pointer])
            citations += [citation] if citation is not None else []
            claims.append(claim)
        for field in found[MOST_VALUES:]:
            reason = f"only the first {MOST_VALUES} values are checked"
            claims.append(Claim(*spans[field.pointer], (), 0.0, False, (reason,)))
        return Bound(text, tuple(citations), tuple(claims))

    def _best_place(self, field: _Field) -> _Place | None:
        """Of the sentences that the value stands in, the one that says most of its field."""
        tokens = _significant(read_tokens(_plain(field.value)))
        if not tokens:
            return None
        holding = [set().union(*(self._at.get(key, ()) for key in token.keys)) for token in tokens]
        indexes = sorted(set.intersection(*holding))
        units = [self._units[index] for index in indexes if _stands_in(tokens, self._units[index].tokens)]
        units = [unit for unit in units if _same_sign(field.value, unit)]
        label, beside = set(self._content_words(field.label)), set(self._content_words(field.beside))
        placed = []
        for unit in units:
            words = set(self._content_words(unit.around))
            own = set(self._content_words(unit.piece.text[unit.start : unit.end]))
            placed.append(
                _Place(unit, _share(label, words), _share(beside, own) + 0.5 * _share(beside, words))
            )
        return max(placed, key=lambda place: place.beside_share + place.field_share, default=None)


def _bound(
    field: _Field, place: _Place | None, judgement: Judgement, span: tuple[int, int]
) -> tuple[Citation | None, Claim]:
    """The citation and the claim of one value."""
    start, end = span
    if field.literal and place is None:
        # The judge saw all evidence, but no sentence has the value: what it found says something else.
        reason = f"{_shown(field.value)} is not in the evidence"
        return None, Claim(start, end, (), min(judgement.probability, 0.5), False, (reason,))
    if place is None:
        numbers = (judgement.number,) if judgement.quote else ()
        claim = Claim(
            start, end, numbers, judgement.probability, judgement.supported, tuple(judgement.reasons)
        )
        if not judgement.quote:
            return None, claim
        return (
            Citation(
                start,
                end,
                judgement.number,
                judgement.quote,
                judgement.supported,
                judgement.source_start,
                judgement.source_end,
                field.pointer,
            ),
            claim,
        )
    supported = judgement.supported or place.field_share >= ENOUGH_OF_FIELD
    unit = place.unit
    quote = unit.piece.text[unit.start : unit.end]
    citation = Citation(
        start,
        end,
        unit.piece.number,
        quote,
        supported,
        unit.piece.start + unit.start,
        unit.piece.start + unit.end,
        field.pointer,
    )
    reasons = () if supported else (f"[{unit.piece.number}] has {_shown(field.value)}, but not as this",)
    support = max(judgement.probability, place.field_share) if supported else judgement.probability
    return citation, Claim(start, end, (unit.piece.number,), support, supported, reasons)


# -- fields --------------------------------------------------------------------


def _field(root: Json, pointer: str, value: Json, definition: Mapping[str, Any]) -> _Field:
    about = described(definition, pointer)
    names = [part for part in parts_of(pointer) if not part.isdecimal()]
    own = " ".join(_words_of(name) for name in names[-1:])
    label = str(about.get("title") or own or about.get("description") or "value")
    chosen = "enum" in about or isinstance(value, bool)
    prose = isinstance(value, str) and len(value.split()) >= PROSE_WORDS
    return _Field(
        pointer, value, label, _beside(root, pointer, names), literal=not (chosen or prose or value == "")
    )


def _beside(root: Json, pointer: str, names: Sequence[str]) -> str:
    """What tells this value's object from others: the first short text beside it, else its field's name."""
    parent, _, last = pointer.rpartition("/")
    siblings = at(root, parent) if pointer else None
    if isinstance(siblings, dict):
        for key, value in siblings.items():
            if key != last and isinstance(value, str) and 0 < len(value.split()) < PROSE_WORDS:
                return value
    return _words_of(names[-2]) if len(names) > 1 else ""


def _words_of(name: str) -> str:
    """ "numberOf_days" as "number of days"."""
    return " ".join(part.lower() for part in _PART.findall(name)) or name


def _plain(value: Json) -> str:
    """A value as documents write it: no exponents, no ".0", yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{Decimal(repr(value)).normalize():f}"
    return str(value)


def _shown(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


# -- places --------------------------------------------------------------------


def _units(piece: Evidence) -> list[_Unit]:
    found = [one for one in sentences(piece.text) if one.end - one.start <= 4 * LONGEST_QUOTE]
    return [
        _Unit(
            piece,
            one.start,
            one.end,
            read_tokens(piece.text[one.start : one.end]),
            _around(piece, found, index),
        )
        for index, one in enumerate(found)
    ]


def _around(piece: Evidence, found: Sequence[Sentence], index: int) -> str:
    """A sentence with what a reader sees beside it: title, heading, the one before or a table's first row."""
    own = found[index]
    before = index - 1
    if own.kind == "row":
        while before > 0 and found[before - 1].kind == "row":
            before -= 1
    texts = [piece.title, piece.heading]
    if before >= 0:
        texts.append(piece.text[found[before].start : found[before].end])
    return "\n".join([*texts, piece.text[own.start : own.end]])


def _narrowed(unit: _Unit) -> Evidence:
    """The sentence, with what stands around it, as evidence of its own for the judge."""
    return replace(unit.piece, text=unit.around)


def _significant(tokens: Sequence[Token]) -> list[Token]:
    """The tokens that a value consists of; short words only where there are no others."""
    return [token for token in tokens if token.kind != "word" or len(token.text) > 2] or list(tokens)


def _stands_in(wanted: Sequence[Token], tokens: Sequence[Token]) -> bool:
    """Whether all wanted tokens stand close together, in any order."""
    reach = len(wanted) + _SLACK
    hits = [
        (place, index)
        for place, token in enumerate(tokens)
        for index, one in enumerate(wanted)
        if not one.keys.isdisjoint(token.keys)
    ]
    for first, (place, _) in enumerate(hits):
        if len({index for other, index in hits[first:] if other < place + reach}) == len(wanted):
            return True
    return False


def _same_sign(value: Json, unit: _Unit) -> bool:
    """A negative number needs its sign in the text: tokens have none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value >= 0:
        return True
    digits = re.escape(_plain(abs(value)))
    text = unit.piece.text[unit.start : unit.end].replace(",", "")
    return re.search(rf"[-−–(]\s?\$?{digits}(?!\d)", text) is not None


def _share(wanted: set[str], held: set[str]) -> float:
    return len(wanted & held) / len(wanted) if wanted else 0.0

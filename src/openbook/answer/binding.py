"""Each value of a structured answer, and the sentence of the documents that it stands in.

A model that fills in fields does not say where from, and would be believed if
it did not have to. So for every value the program looks for the places where
exactly this number, date or name stands, and takes the one that speaks most of
the field. Then it looks at the other numbers, dates or names around: a value
whose neighbour in the text fits the field better is not supported. Numbers and dates agree in any
way of writing ("2009-06-19", "19 June 2009"); a yes, a choice from a list and a
longer text need not stand there word for word and are judged as claims.

Refused: asking the model for its sources, and calling a value supported
because it occurs somewhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, Protocol, TypeAlias

from openbook.answer.agreement import stemmed
from openbook.answer.agreement_tokens import Token, read_tokens
from openbook.answer.json_text import Json, at, escaped, leaves, parts_of, written
from openbook.answer.ranking import ContentWords, Embed
from openbook.answer.schema import described
from openbook.answer.sentences import Sentence, sentences
from openbook.types import Citation, Claim, Evidence

MOST_VALUES: Final = 300
"""Values that are looked for; further ones count as not supported."""
PROSE_WORDS: Final = 9
"""From this many words on, a text is a statement and not a name."""
REACH: Final = 5
"""Words to either side of a value that say what it is."""
MOST_RIVALS: Final = 24
ENOUGH: Final = 0.5
WITH_COSINES: Final = (0.43, 3.91, 2.34)
BY_WORDS_ALONE: Final = (0.26, 0.0, 3.33)
"""A value fits its field with probability 1 / (1 + exp(-(bias + a · Δcosine + b · Δwords))).

Δ is the value's lead over the best of its rivals, the other values of its kind
in the same piece: in the cosine of the field's name with the words around, and
in the share of the name's words in the same clause. Fitted by
`scripts/fit_fields.py`, whose 69 fields, each document left out in turn, give:
of the right values 93 % are kept, of those of another field 75 % are caught
(AUROC .91); by words alone 99 % and 49 % (.76).
"""
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
class Field:
    """A value, and what it is called: the words of its field, and of the value beside it.

    literal  it has to stand in the text
    in_list  it is one of several of its field, told apart by what is beside
    """

    pointer: str
    value: Json
    label: str
    beside: str
    literal: bool
    in_list: bool = False

    @property
    def claim(self) -> str:
        """What the document would have to say."""
        return f"{self.beside} {self.label}: {_plain(self.value)}".strip()

    @property
    def contrary(self) -> str:
        """The opposite of a yes or no, which the documents should not say more clearly; else the same."""
        return replace(self, value=not self.value).claim if isinstance(self.value, bool) else self.claim


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence of a piece: its tokens, and the words of it and of what stands around it."""

    piece: Evidence
    start: int
    end: int
    tokens: tuple[Token, ...]
    around: str
    is_row: bool

    @property
    def text(self) -> str:
        """The sentence, verbatim."""
        return self.piece.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: its words in the sentence, and how much of its field is said there."""

    unit: _Unit
    first: int
    last: int
    field_share: float
    beside_share: float
    """Share of the words of `Field.beside` in the sentence or what stands around it."""


class Binder:
    """Binds the values of one answer to its evidence. Without `embed`, fields are compared by words alone."""

    def __init__(
        self,
        evidence: Sequence[Evidence],
        *,
        judge: Judge,
        content_words: ContentWords,
        embed: Embed | None = None,
    ) -> None:
        self._evidence = evidence
        self._judge = judge
        self._content_words = content_words
        self._embed = embed
        self._units = [unit for piece in evidence for unit in _units(piece, content_words)]
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
            field_of(value, pointer, leaf, definition) for pointer, leaf in leaves(value) if leaf is not None
        ]
        looked = found[:MOST_VALUES]
        results: dict[str, tuple[Citation | None, Claim]] = {}
        statements = [field for field in looked if not field.literal]
        asked = [(text, self._evidence) for field in statements for text in (field.claim, field.contrary)]
        judged = self._judge(asked) if asked else ()
        for field, own, other in zip(statements, judged[::2], judged[1::2], strict=True):
            contrary = isinstance(field.value, bool) and other.probability > own.probability
            results[field.pointer] = _judged(field, own, spans[field.pointer], contrary=contrary)
        placed = [(field, self.best_place(field)) for field in looked if field.literal]
        standing = [(field, place) for field, place in placed if place is not None]
        fits = dict(zip((field.pointer for field, _ in standing), self._fits(standing), strict=True))
        for field, place in placed:
            span = spans[field.pointer]
            results[field.pointer] = _bound(field, place, fits.get(field.pointer, 0.0), span)
        for field in found[MOST_VALUES:]:
            reason = f"only the first {MOST_VALUES} values are checked"
            results[field.pointer] = None, Claim(*spans[field.pointer], (), 0.0, False, (reason,))
        ordered = [results[field.pointer] for field in found]
        citations = tuple(citation for citation, _ in ordered if citation is not None)
        return Bound(text, citations, tuple(claim for _, claim in ordered))

    def best_place(self, field: Field) -> Place | None:
        """Of the sentences that the value stands in, the one that says most of its field."""
        tokens = _significant(_stemmed(_plain(field.value), self._content_words))
        if not tokens:
            return None
        holding = [set().union(*(self._at.get(key, ()) for key in token.keys)) for token in tokens]
        label, beside = set(self._content_words(field.label)), set(self._content_words(field.beside))
        placed = []
        for index in sorted(set.intersection(*holding)):
            unit = self._units[index]
            span = _standing(tokens, unit.tokens)
            if span is None or not _same_sign(field.value, unit):
                continue
            words = set(self._content_words(unit.around))
            own = set(self._content_words(unit.text))
            placed.append(
                Place(unit, *span, _share(label, words), _share(beside, own if unit.is_row else words))
            )
        return max(placed, key=lambda place: place.beside_share + place.field_share, default=None)

    def leads(self, standing: Sequence[tuple[Field, Place]]) -> list[tuple[float, float]]:
        """For each value its lead over the best of its rivals, in cosine and in words."""
        rivals = [self._rivals(place) for _, place in standing]
        texts: dict[str, int] = {}
        for (field, place), others in zip(standing, rivals, strict=True):
            for one in (field.label, _window(place), *map(_window, others)):
                texts.setdefault(one, len(texts))
        vectors = self._embed(list(texts), "document") if self._embed is not None and texts else None
        found = []
        for (field, place), others in zip(standing, rivals, strict=True):
            words = set(self._content_words(field.label))
            shares = [_share(words, set(self._content_words(_clause(one)))) for one in (place, *others)]
            cosines = [0.0]
            if vectors is not None:
                label = vectors[texts[field.label]]
                cosines = [float(vectors[texts[_window(one)]] @ label) for one in (place, *others)]
            found.append((_lead(cosines), _lead(shares)))
        return found

    def _fits(self, standing: Sequence[tuple[Field, Place]]) -> list[float]:
        """For each value the probability that it is its field's."""
        bias, by_cosine, by_words = WITH_COSINES if self._embed is not None else BY_WORDS_ALONE
        return [
            1 / (1 + math.exp(-(bias + by_cosine * cosine + by_words * words)))
            for cosine, words in self.leads(standing)
        ]

    def _rivals(self, place: Place) -> list[Place]:
        """Other values of the same kind in the same piece, the nearest ones. Those of a row have none."""
        if place.unit.is_row:
            return []
        own = place.unit.tokens[place.first : place.last + 1]
        kinds = {str(token.kind) for token in own} & {"number", "name", "code"}
        keys = frozenset().union(*(token.keys for token in own))
        found = [
            Place(unit, first, last, 0.0, 0.0)
            for unit in self._units
            if unit.piece is place.unit.piece
            for first, last in _runs(unit.tokens, kinds)
            if all(token.keys.isdisjoint(keys) for token in unit.tokens[first : last + 1])
        ]
        found.sort(key=lambda other: abs(other.unit.start - place.unit.start))
        return found[:MOST_RIVALS]


def _judged(
    field: Field, judgement: Judgement, span: tuple[int, int], *, contrary: bool
) -> tuple[Citation | None, Claim]:
    """The citation and the claim of a value that need not stand in the text word for word."""
    numbers = (judgement.number,) if judgement.quote else ()
    supported = judgement.supported and not contrary
    reasons = tuple(judgement.reasons)
    if contrary:
        reasons = (f"the evidence rather says the contrary of {_plain(field.value)!r}",)
    support = 1 - judgement.probability if contrary and judgement.supported else judgement.probability
    claim = Claim(*span, numbers, support, supported, reasons)
    if not judgement.quote:
        return None, claim
    citation = Citation(
        *span,
        judgement.number,
        judgement.quote,
        supported,
        judgement.source_start,
        judgement.source_end,
        field.pointer,
    )
    return citation, claim


def _bound(
    field: Field, place: Place | None, fit: float, span: tuple[int, int]
) -> tuple[Citation | None, Claim]:
    """The citation and the claim of a value that has to stand in the text."""
    if place is None:
        return None, Claim(*span, (), 0.0, False, (f"{_shown(field.value)} is not in the evidence",))
    unit = place.unit
    number = unit.piece.number
    reasons: tuple[str, ...] = ()
    if field.in_list and place.beside_share < ENOUGH:
        fit = 0.0
        reasons = (f"[{number}] has {_shown(field.value)}, but not of {field.beside!r}",)
    elif fit < ENOUGH:
        reasons = (f"[{number}] has {_shown(field.value)}, but another value fits {field.label!r} better",)
    supported = fit >= ENOUGH
    start, end = unit.piece.start + unit.start, unit.piece.start + unit.end
    citation = Citation(*span, number, unit.text, supported, start, end, field.pointer)
    return citation, Claim(*span, (number,), fit, supported, reasons)


# -- fields --------------------------------------------------------------------


def field_of(root: Json, pointer: str, value: Json, definition: Mapping[str, Any]) -> Field:
    """What the value at a pointer of `root` is called, by the schema and by what is beside it."""
    about = described(definition, pointer)
    names = [part for part in parts_of(pointer) if not part.isdecimal()]
    own = " ".join(_words_of(name) for name in names[-1:])
    label = str(about.get("title") or own or about.get("description") or "value")
    chosen = "enum" in about or isinstance(value, bool)
    prose = isinstance(value, str) and len(value.split()) >= PROSE_WORDS
    beside, in_list = _beside(root, pointer, names)
    return Field(pointer, value, label, beside, not (chosen or prose or value == ""), in_list)


def _beside(root: Json, pointer: str, names: Sequence[str]) -> tuple[str, bool]:
    """What tells this value's object from others, and whether there are others.

    The first short text beside it, else its parent field's name.
    """
    parent, _, last = pointer.rpartition("/")
    siblings = at(root, parent) if pointer else None
    in_list = parent.rpartition("/")[2].isdecimal()
    if isinstance(siblings, dict):
        short = [
            (escaped(key), value)
            for key, value in siblings.items()
            if isinstance(value, str) and 0 < len(value.split()) < PROSE_WORDS
        ]
        others = [value for key, value in short if key != last]
        if others:
            # The first of them names the object, and is itself told apart by nothing.
            return others[0], in_list and short[0][0] != last
    return (_words_of(names[-2]) if len(names) > 1 else ""), False


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


def _units(piece: Evidence, content_words: ContentWords) -> list[_Unit]:
    found = [one for one in sentences(piece.text) if one.end - one.start <= 4 * LONGEST_QUOTE]
    return [
        _Unit(
            piece,
            one.start,
            one.end,
            _stemmed(piece.text[one.start : one.end], content_words),
            _around(piece, found, index),
            one.kind == "row",
        )
        for index, one in enumerate(found)
    ]


def _stemmed(text: str, content_words: ContentWords) -> tuple[Token, ...]:
    """Tokens that also agree where only the endings of their words differ: "Monday", "Mondays"."""
    return stemmed(read_tokens(text), lambda word: next(iter(content_words(word)), ""))


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


def _significant(tokens: Sequence[Token]) -> list[Token]:
    """The tokens that a value consists of; short words only where there are no others."""
    return [token for token in tokens if token.kind != "word" or len(token.text) > 2] or list(tokens)


def _standing(wanted: Sequence[Token], tokens: Sequence[Token]) -> tuple[int, int] | None:
    """Where all wanted tokens stand close together, in any order; None where they do not."""
    reach = len(wanted) + _SLACK
    hits = [
        (place, index)
        for place, token in enumerate(tokens)
        for index, one in enumerate(wanted)
        if not one.keys.isdisjoint(token.keys) and (one.soft or not token.soft)
    ]
    for first, (place, _) in enumerate(hits):
        near = [(other, index) for other, index in hits[first:] if other < place + reach]
        if len({index for _, index in near}) == len(wanted):
            return place, near[-1][0]
    return None


def _runs(tokens: Sequence[Token], kinds: set[str]) -> Iterator[tuple[int, int]]:
    """First and last places of neighbouring tokens of these kinds."""
    first = None
    for place, token in enumerate(tokens):
        if token.kind in kinds and not token.soft:
            first = place if first is None else first
        elif first is not None:
            yield first, place - 1
            first = None
    if first is not None:
        yield first, len(tokens) - 1


def _window(place: Place) -> str:
    """The words around a value."""
    tokens = place.unit.tokens
    start = tokens[max(place.first - REACH, 0)].start
    return place.unit.text[start : tokens[min(place.last + REACH, len(tokens) - 1)].end]


def _clause(place: Place) -> str:
    """The clauses that a value stands in."""
    tokens = place.unit.tokens
    clauses = {token.clause for token in tokens[place.first : place.last + 1]}
    own = [token for token in tokens if token.clause in clauses]
    return place.unit.text[own[0].start : own[-1].end]


def _same_sign(value: Json, unit: _Unit) -> bool:
    """A negative number needs its sign in the text: tokens have none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value >= 0:
        return True
    digits = re.escape(_plain(abs(value)))
    text = unit.text.replace(",", "")
    return re.search(rf"[-−–(]\s?\$?{digits}(?!\d)", text) is not None


def _lead(scores: Sequence[float]) -> float:
    """How far the first is ahead of the best of the others; 0 without others."""
    return scores[0] - max(scores[1:], default=scores[0])


def _share(wanted: set[str], held: set[str]) -> float:
    return len(wanted & held) / len(wanted) if wanted else 0.0

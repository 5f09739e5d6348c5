"""Whether evidence says a claim, how surely, and with which words.

For every piece of evidence the one to three sentences are chosen that hold
most of the claim's words, rare words counting more; the claim is then held
against them by words, by vectors, and by exact agreement of numbers, names and
negation (`agreement`). A logistic regression joins the signals. Its numbers
stand at the end, fitted by `scripts/fit_support.py`.

The evidence is text and nothing else: a sentence in it that calls something
true, cites, or orders is compared word by word like any other.

Measured with that script on 434 claims of written answers (clapnq), questions
kept together in cross-validation: area under the ROC curve .995 against a
random other passage, .987 against the most similar one, .971 against the right
passage with one number (.977), name (.98 where it came from elsewhere, .94
where from the same passage) or negation (.98) changed. At the shipped threshold
6 % of the gold claims are marked wrongly and 1 % of the sentences of the source
itself; 10 % of the changed numbers, 7 % of the foreign names, 25 % of the names
from the same passage and 2 % of the negations get through. On a book that
nothing was fitted on, with terse answers full of code, .97 against another
section and .90 against a change, with 22 % of the gold claims marked wrongly.
Without vectors the figures are the same to a hundredth.

Refused: a model of entailment. It would judge paraphrases better, and cost a
second download and most of the time of an answer; and asking the model that
wrote the claim, which is the one that is being checked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Final

from openbook.answer.agreement import Agreement, compare, stemmed
from openbook.answer.agreement_tokens import Token, folded, read_tokens
from openbook.answer.calibration import Calibration
from openbook.answer.ranking import ContentWords, Embed, Frequencies
from openbook.answer.sentences import sentences
from openbook.types import Evidence

MOST_SENTENCES = 3
"""Sentences of a piece that a claim may rest on together."""
MOST_PIECES = 3
"""Pieces looked at closely for a claim: those that hold most of its words."""
LONGEST_UNIT = 700
"""Characters; longer blocks of code and rows are cut at line ends."""
LONGEST_QUOTE = 600
_GAIN = 0.08
_NEXT_DOOR = 0.03
_KIN = 0.6
_LEAD_IN = re.compile(
    r"^\W*(?:(?:yes|no|sure|so|however|therefore|thus|overall|in (?:short|summary|other words))\b[,:]\s*"
    r"|(?:according to|based on|as (?:stated|described|shown|noted|explained) (?:in|by)|per)\s+"
    r"(?:the |your |these |this )?(?:\w+ )?"
    r"(?:documents?|documentation|evidence|sources?|texts?|passages?|context|excerpts?)"
    r"(?: \w+)?(?:\s*\[\d+\])*\s*,\s*)",
    re.IGNORECASE,
)
_GERMAN = ("de", "lb")


@dataclass(frozen=True, slots=True)
class Support:
    """How well the best of some evidence says a claim.

    `probability` (0 to 1) is calibrated. `quote` is the stretch of evidence
    `number` that says it, or comes nearest, at source_start:source_end of its
    document; "" and -1 where there is no evidence with words. `numbers` are
    those of all evidence that it rests on, `number` first.
    """

    probability: float
    supported: bool
    number: int = 0
    quote: str = ""
    source_start: int = -1
    source_end: int = -1
    reasons: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Signals:
    """What a claim is judged by. See `agreement.Agreement` for those that it names.

    context   share of the claim's words, weighted by rarity, that stand in the
              sentences it rests on, their neighbours, the title or the heading
    cosine    of the claim with the nearest of these sentences, or with their
              mean where that is nearer; 0 without an embedder
    """

    context: float = 0.0
    cosine: float = 0.0
    order: float = 0.0
    numbers_absent: float = 0.0
    names_absent: float = 0.0
    swapped: float = 0.0
    loose: float = 0.0
    negated: float = 0.0
    opposed: float = 0.0
    units: float = 0.0


@dataclass(slots=True)
class _Unit:
    """A sentence of the evidence, with its words; tokens are read when they are needed."""

    piece: Evidence
    start: int
    end: int
    text: str
    words: frozenset[str]
    tokens: tuple[Token, ...] | None = None


@dataclass(slots=True)
class _Ground:
    """Sentences that a claim may rest on together: those of one piece, or of several."""

    pieces: tuple[Evidence, ...]
    units: list[_Unit]
    named: str
    context: frozenset[str]
    keys: frozenset[str] | None = None
    context_keys: frozenset[str] | None = None


@dataclass(slots=True)
class _Claim:
    text: str
    weights: dict[str, float]
    tokens: tuple[Token, ...]


@dataclass(slots=True)
class _Rest:
    """The sentences of a ground that a claim rests on, best first, and the share of it they hold."""

    ground: _Ground
    places: list[int]
    covered: float


class SupportChecker:
    """Judges claims with functions of the library: embed, analyse words, count them.

    `frequencies` says in how many of the library's `chunk_count` chunks each
    word occurs; without it, rarity is judged by the evidence alone. Without
    `embed`, claims are judged by words only. Not for several threads at once.
    """

    def __init__(
        self,
        *,
        content_words: ContentWords,
        embed: Embed | None = None,
        frequencies: Frequencies | None = None,
        chunk_count: int = 0,
        language: str = "",
    ) -> None:
        self._content_words = content_words
        self._embed = embed
        self._frequencies = frequencies
        self._chunk_count = chunk_count
        self._language = language
        self._stems: dict[str, str] = {}
        self._grounds: dict[tuple[Evidence, ...], _Ground] = {}

    def judge(self, claim: str, evidence: Sequence[Evidence]) -> Support:
        """How well the best piece of `evidence` says `claim`."""
        return self.judge_all([claim], evidence)[0]

    def judge_all(self, claims: Sequence[str], evidence: Sequence[Evidence]) -> list[Support]:
        """Each claim judged against the best of all the evidence; one call of the embedder."""
        grounds = [self._ground((piece,)) for piece in evidence]
        return self._judged([(claim, grounds) for claim in claims])

    def judge_pairs(
        self, pairs: Sequence[tuple[str, Sequence[Evidence]]], *, together: bool = False
    ) -> list[Support]:
        """Each claim judged against evidence of its own; one call of the embedder.

        `together`: the pieces may each say a part of it.
        """
        asked: list[tuple[str, list[_Ground]]] = []
        for claim, evidence in pairs:
            alone = [self._ground((piece,)) for piece in evidence]
            asked.append((claim, [self._ground(tuple(evidence))] if together and evidence else alone))
        return self._judged(asked)

    def signals(self, claim: str, evidence: Sequence[Evidence]) -> Signals:
        """The signals of a claim with the piece that says it best: what a fit needs."""
        return self.signals_all([(claim, evidence)])[0]

    def signals_all(self, pairs: Sequence[tuple[str, Sequence[Evidence]]]) -> list[Signals]:
        """The signals of many claims, each with evidence of its own."""
        asked = [(claim, [self._ground((piece,)) for piece in evidence]) for claim, evidence in pairs]
        return [best[1] if best else Signals() for best in self._measured(asked)]

    # -- judging ---------------------------------------------------------------

    def _judged(self, asked: Sequence[tuple[str, Sequence[_Ground]]]) -> list[Support]:
        return [
            self._support(best)
            if best is not None
            else Support(0.0, False, reasons=("there is no evidence",))
            for best in self._measured(asked)
        ]

    def _measured(
        self, asked: Sequence[tuple[str, Sequence[_Ground]]]
    ) -> list[tuple[_Rest, Signals, Agreement] | None]:
        """For each claim the ground that says it best, with the signals."""
        claims = [self._claim(text, grounds) for text, grounds in asked]
        rests = [
            sorted(
                (self._rest(claim, ground) for ground in grounds if ground.units), key=lambda r: -r.covered
            )
            for claim, (_, grounds) in zip(claims, asked, strict=True)
        ]
        rests = [found[:MOST_PIECES] for found in rests]
        cosines = self._cosines(claims, rests)
        results: list[tuple[_Rest, Signals, Agreement] | None] = []
        for claim, found, near in zip(claims, rests, cosines, strict=True):
            measured = [
                (rest, *self._signals(claim, rest, cosine)) for rest, cosine in zip(found, near, strict=True)
            ]
            results.append(max(measured, key=lambda one: self._probability(one[1]), default=None))
        return results

    def _probability(self, signals: Signals) -> float:
        return (WORDS_ONLY if self._embed is None else CALIBRATION).probability(signals)

    def _support(self, best: tuple[_Rest, Signals, Agreement]) -> Support:
        rest, signals, agreement = best
        probability = self._probability(signals)
        supported = probability >= THRESHOLD
        reasons = agreement.reasons
        if not supported and not reasons:
            reasons = (f"{rest.ground.named} does not say this",)
        unit, start, end = _quoted(rest)
        piece = unit.piece
        numbers = dict.fromkeys([piece.number, *(rest.ground.units[p].piece.number for p in rest.places)])
        return Support(
            probability,
            supported,
            piece.number,
            piece.text[start:end],
            piece.start + start,
            piece.start + end,
            reasons,
            tuple(numbers),
        )

    # -- words -----------------------------------------------------------------

    def _claim(self, text: str, grounds: Sequence[_Ground]) -> _Claim:
        text = _LEAD_IN.sub("", text) or text
        tokens = stemmed(read_tokens(text, nouns_are_capital=self._language in _GERMAN), self._stem)
        return _Claim(text, self._weights(text, grounds), tokens)

    def _weights(self, text: str, grounds: Sequence[_Ground]) -> dict[str, float]:
        """Each content word with its inverse document frequency, never below a quarter of the highest."""
        words = list(dict.fromkeys(self._content_words(text)))
        if self._frequencies is not None and self._chunk_count > 0:
            counts, total = list(self._frequencies(words)), self._chunk_count
        else:
            units = [unit.words for ground in grounds for unit in ground.units]
            counts, total = [sum(word in one for one in units) for word in words], len(units)
        raw = [math.log(1 + (total - count + 0.5) / (count + 0.5)) for count in counts]
        floor = max(raw, default=0.0) / 4
        return {word: max(weight, floor) for word, weight in zip(words, raw, strict=True)}

    def _stem(self, word: str) -> str:
        known = self._stems.get(word)
        if known is None:
            known = self._stems[word] = next(iter(self._content_words(word)), "")
        return known

    def _ground(self, pieces: tuple[Evidence, ...]) -> _Ground:
        ground = self._grounds.get(pieces)
        if ground is None:
            named = _named(pieces)
            units = [
                _Unit(
                    piece,
                    start,
                    end,
                    piece.text[start:end],
                    frozenset(self._content_words(piece.text[start:end])),
                )
                for piece in pieces
                for start, end in _spans(piece.text, self._language)
            ]
            context = frozenset(self._content_words(_context(pieces)))
            ground = self._grounds[pieces] = _Ground(pieces, units, named, context)
        return ground

    def _rest(self, claim: _Claim, ground: _Ground) -> _Rest:
        """The sentences that hold most of the claim, each adding something to those before it."""
        total = sum(claim.weights.values()) or 1.0
        held: dict[str, float] = {}
        places: list[int] = []
        # The title is known to every reader of the piece: it tells apart no sentences.
        own = {
            word: weight * (0.3 if word in ground.context else 1.0) for word, weight in claim.weights.items()
        }
        while len(places) < MOST_SENTENCES:
            gains = [
                sum(own[word] * (1 - held.get(word, 0.0)) for word in own.keys() & unit.words) / total
                + (_NEXT_DOOR if any(abs(place - other) == 1 for other in places) else 0.0)
                for place, unit in enumerate(ground.units)
            ]
            best = max(range(len(gains)), key=lambda place: gains[place])
            if places and (gains[best] < _GAIN + _NEXT_DOOR or best in places):
                break
            places.append(best)
            held |= dict.fromkeys(own.keys() & ground.units[best].words, 1.0)
        return _Rest(ground, places, _covered(claim, frozenset(held)))

    # -- vectors and agreement -----------------------------------------------------

    def _cosines(self, claims: Sequence[_Claim], rests: Sequence[Sequence[_Rest]]) -> list[list[float]]:
        if self._embed is None or not any(rests):
            return [[0.0] * len(found) for found in rests]
        texts: dict[str, int] = {}
        for claim, found in zip(claims, rests, strict=True):
            texts.setdefault(claim.text, len(texts))
            for rest in found:
                for text in _sentences(rest):
                    texts.setdefault(text, len(texts))
        vectors = self._embed(list(texts), "document")
        cosines: list[list[float]] = []
        for claim, found in zip(claims, rests, strict=True):
            vector = vectors[texts[claim.text]]
            cosines.append([])
            for rest in found:
                rows = vectors[[texts[text] for text in _sentences(rest)]]
                mean = rows.mean(axis=0)
                together = float(mean @ vector) / (float(mean @ mean) ** 0.5 or 1.0)
                cosines[-1].append(max(float((rows @ vector).max()), together))
        return cosines

    def _signals(self, claim: _Claim, rest: _Rest, cosine: float) -> tuple[Signals, Agreement]:
        ground = rest.ground
        beside = {p for place in rest.places for p in (place - 1, place + 1)} - set(rest.places)
        neighbours = [ground.units[place] for place in sorted(beside) if 0 <= place < len(ground.units)]
        own = frozenset().union(*(ground.units[place].words for place in rest.places))
        wider = own.union(ground.context, *(unit.words for unit in neighbours))
        topic = self._context_keys(ground)
        around = topic.union(*(token.keys for unit in neighbours for token in self._tokens(unit)))
        agreement = compare(
            claim.tokens,
            [token for place in sorted(rest.places) for token in self._tokens(ground.units[place])],
            around=around,
            topic=topic,
            anywhere=self._keys(ground),
            named=ground.named,
        )
        shared = {f.name: getattr(agreement, f.name) for f in fields(agreement) if f.name != "reasons"}
        return Signals(context=_covered(claim, wider), cosine=cosine, **shared), agreement

    def _tokens(self, unit: _Unit) -> tuple[Token, ...]:
        if unit.tokens is None:
            unit.tokens = stemmed(
                read_tokens(unit.text, nouns_are_capital=self._language in _GERMAN), self._stem
            )
        return unit.tokens

    def _context_keys(self, ground: _Ground) -> frozenset[str]:
        if ground.context_keys is None:
            tokens = stemmed(read_tokens(_context(ground.pieces)), self._stem)
            ground.context_keys = frozenset().union(*(token.keys for token in tokens))
        return ground.context_keys

    def _keys(self, ground: _Ground) -> frozenset[str]:
        if ground.keys is None:
            texts = [*(piece.text for piece in ground.pieces), _context(ground.pieces)]
            tokens = [token for text in texts for token in read_tokens(text)]
            words = {folded(word) for text in texts for word in re.findall(r"\w+", text)}
            ground.keys = frozenset(words).union(*(token.keys for token in tokens))
        return ground.keys


def _spans(text: str, language: str) -> Iterator[tuple[int, int]]:
    """The sentences; long blocks of code and other long units line by line, joined while short."""
    for sentence in sentences(text, language):
        if sentence.end - sentence.start <= LONGEST_UNIT:
            yield sentence.start, sentence.end
            continue
        start = sentence.start
        while sentence.end - start > LONGEST_UNIT:
            cut = text.rfind("\n", start, start + LONGEST_UNIT)
            cut = cut if cut > start else text.rfind(" ", start, start + LONGEST_UNIT)
            cut = cut if cut > start else start + LONGEST_UNIT
            if text[start:cut].strip():
                yield start, cut
            start = cut + (text[cut].isspace())
        if text[start : sentence.end].strip():
            yield start, sentence.end


def _covered(claim: _Claim, words: frozenset[str]) -> float:
    """Share (0 to 1) of the claim's weight that `words` hold; words of the same family count in part."""
    total = sum(claim.weights.values())
    if not total:
        return 0.0
    found = 0.0
    for word, weight in claim.weights.items():
        found += weight * (
            1.0 if word in words else _KIN if any(_kin(word, other) for other in words) else 0.0
        )
    return found / total


def _sentences(rest: _Rest) -> list[str]:
    return [rest.ground.units[place].text for place in rest.places]


def _quoted(rest: _Rest) -> tuple[_Unit, int, int]:
    """The best sentence, together with the others of its piece where they stand close by."""
    units = [rest.ground.units[place] for place in rest.places]
    first = units[0]
    start, end = first.start, first.end
    for unit in units[1:]:
        low, high = min(start, unit.start), max(end, unit.end)
        if unit.piece is first.piece and high - low <= LONGEST_QUOTE:
            start, end = low, high
    return first, start, end


def _named(pieces: Sequence[Evidence]) -> str:
    return "".join(f"[{piece.number}]" for piece in pieces)


def _context(pieces: Sequence[Evidence]) -> str:
    return "\n".join(f"{piece.title}\n{piece.heading}\n{piece.place}" for piece in pieces)


def _kin(one: str, other: str) -> bool:
    """Whether two stems are of one family: "photograph" and "photographi"."""
    if one[:4] != other[:4] or len(one) < 4 or len(other) < 4 or one[-1].isdigit() or other[-1].isdigit():
        return False
    short, long = sorted((one, other), key=len)
    shared = next((n for n, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return shared >= 0.75 * len(short) and len(long) - shared <= 5


THRESHOLD: Final = 0.5
"""Probability from which a claim counts as supported."""
CALIBRATION: Final = Calibration(
    bias=-3.434,
    weights={
        "context": 2.477, "cosine": 1.379, "order": 2.652, "numbers_absent": -5.000, "names_absent": -1.185,
        "swapped": -4.900, "loose": -4.930, "negated": -6.226, "opposed": -6.164, "units": -7.830,
    },
)  # fmt: skip
WORDS_ONLY: Final = Calibration(
    bias=-3.181,
    weights={
        "context": 2.950, "order": 3.231, "numbers_absent": -5.000, "names_absent": -1.204, "swapped": -4.879,
        "loose": -5.013, "negated": -6.265, "opposed": -6.116, "units": -7.760,
    },
)  # fmt: skip

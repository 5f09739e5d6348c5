"""What a model wrote, checked claim by claim against the evidence.

Each claim is bound to the evidence that it cites, or, uncited, to the best.
What a reader may rely on decides the rest: a marker stands only where the
evidence of that number says the claim, or where nothing does and the claim is
marked as not supported. So a claim that cites [2] while only [3] says it cites
[3] afterwards, and says that it was changed; beside a number that says it, one
that does not is taken away.

Refused: correcting a claim. The program marks or drops what is not supported,
but it never writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from openbook.answer.claims import (
    CitedText,
    Statement,
    cut_statements,
    markers_before,
    markers_behind,
    parse_citations,
)
from openbook.answer.evidence import ReadText
from openbook.answer.leftovers import Span, leftovers
from openbook.answer.support import Support, SupportChecker
from openbook.types import Citation, Claim, Evidence

_ENDING: Final = re.compile(r"\s*[.!?…。！？｡．]+[\"'”’»)\]*_`」』]*$|\s*\|\s*$")
_LIST_MARK: Final = re.compile(
    r"[ \t]*(?:>[ \t]?)*[ \t]*(?:(?:[-*+•‣]|\(?(?:\d{1,3}|[a-zA-Z])[.)])[ \t]+)?(?:[*_]+)?"
)
_MARKER: Final = re.compile(r"[ \t]?\[\d{1,3}\]")
_LONGEST_ENDING = 40
_JOINED_GAIN = 0.02


@dataclass(frozen=True, slots=True)
class Checked:
    """A text whose claims have been checked. Offsets of claims and citations point into `text`.

    `removed` counts citations of numbers that were never given.
    """

    text: str
    claims: tuple[Claim, ...] = ()
    citations: tuple[Citation, ...] = ()
    removed: int = 0


@dataclass(frozen=True, slots=True)
class _Edit:
    """text[start:end] becomes `new`."""

    start: int
    end: int
    new: str = ""


@dataclass(slots=True)
class _Verdict:
    """What was decided about one claim: the numbers that it ends up with, and a quote for each."""

    supported: bool
    probability: float
    quotes: list[Support]
    numbers: tuple[int, ...]
    reasons: tuple[str, ...] = ()


def check_text(
    text: str,
    evidence: Sequence[Evidence],
    checker: SupportChecker,
    read_text: ReadText,
    *,
    language: str = "",
) -> Checked:
    """Cut `text` into claims, judge each, and bind it to the evidence that says it.

    Every citation's quote is what `read_text(document_id, start, end)` gives at
    its source place; a quote that the document no longer holds supports nothing.
    """
    cited = parse_citations(text, {piece.number for piece in evidence})
    statements = [s for s in cut_statements(cited, language) if not _names_source(cited, s, evidence)]
    verdicts = [_proved(v, evidence, read_text) for v in _verdicts(cited, statements, evidence, checker)]
    edits = [edit for pair in zip(statements, verdicts, strict=True) for edit in _edits(cited.text, *pair)]
    claims: list[Claim] = []
    citations: list[Citation] = []
    for statement, verdict in zip(statements, verdicts, strict=True):
        start, end = _moved(statement.start, edits), _moved(statement.end, edits, is_end=True)
        claims.append(
            Claim(start, end, verdict.numbers, verdict.probability, verdict.supported, verdict.reasons)
        )
        for quote in verdict.quotes:
            citations.append(
                Citation(
                    start,
                    end,
                    quote.number,
                    quote.quote,
                    quote.supported,
                    quote.source_start,
                    quote.source_end,
                )
            )
    return Checked(_edited(cited.text, edits), tuple(claims), tuple(citations), cited.removed)


def strict_text(checked: Checked) -> Checked:
    """The same without the claims that are not supported; an empty text if none is left."""
    kept = [claim for claim in checked.claims if claim.supported]
    if not kept:
        return Checked("", removed=checked.removed)
    cuts = _cuts(checked.text, [claim for claim in checked.claims if not claim.supported])
    cuts += leftovers(checked.text, cuts, [(claim.start, claim.end) for claim in kept])
    edits = _joined(cuts)
    spans = {(claim.start, claim.end) for claim in kept}
    return replace(
        checked,
        text=_edited(checked.text, edits).rstrip(),
        claims=tuple(
            replace(claim, start=_moved(claim.start, edits), end=_moved(claim.end, edits, is_end=True))
            for claim in kept
        ),
        citations=tuple(
            replace(one, start=_moved(one.start, edits), end=_moved(one.end, edits, is_end=True))
            for one in checked.citations
            if (one.start, one.end) in spans
        ),
    )


# -- judging -----------------------------------------------------------------------


def claim_text(cited: CitedText, statement: Statement) -> str:
    """The words of a claim without markers."""
    text, position, parts = cited.text, statement.start, []
    for marker in statement.markers:
        if statement.start <= marker.start < statement.end:
            parts.append(text[position : marker.start])
            position = marker.end
    return "".join([*parts, text[position : statement.end]]).strip()


def _names_source(cited: CitedText, statement: Statement, evidence: Sequence[Evidence]) -> bool:
    """Whether a line only names what it cites: "[1] report.pdf, p. 3", a list of sources."""
    words = re.findall(r"\w+", claim_text(cited, statement).lower())
    named = " ".join(
        f"{piece.path} {piece.title} {piece.heading} {piece.place} {piece.url}"
        for piece in evidence
        if piece.number in statement.numbers
    )
    line = cited.text.rfind("\n", 0, statement.start) + 1
    alone = not _LIST_MARK.sub("", _MARKER.sub("", cited.text[line : statement.start])).strip()
    return alone and bool(statement.numbers) and set(words) <= set(re.findall(r"\w+", named.lower()))


def _verdicts(
    cited: CitedText, statements: Sequence[Statement], evidence: Sequence[Evidence], checker: SupportChecker
) -> list[_Verdict]:
    """Judge all claims; what they cite alone and against all evidence in one call, together in another."""
    pieces = {piece.number: piece for piece in evidence}
    pairs: list[tuple[str, Sequence[Evidence]]] = []
    for statement in statements:
        words = claim_text(cited, statement)
        pairs.append((words, evidence))
        pairs += [(words, [pieces[number]]) for number in statement.numbers or statement.nearby]
    found = iter(checker.judge_pairs(pairs))
    judged = [
        (next(found), {number: next(found) for number in statement.numbers or statement.nearby})
        for statement in statements
    ]
    several = [place for place, statement in enumerate(statements) if len(statement.numbers) > 1]
    together = checker.judge_pairs(
        [
            (claim_text(cited, statements[place]), [pieces[number] for number in statements[place].numbers])
            for place in several
        ],
        together=True,
    )
    joint = dict(zip(several, together, strict=True))
    return [
        _verdict(statement, best, alone, joint.get(place))
        for place, (statement, (best, alone)) in enumerate(zip(statements, judged, strict=True))
    ]


def _verdict(
    statement: Statement, best: Support, alone: dict[int, Support], joint: Support | None
) -> _Verdict:
    if not statement.numbers:
        near = max(alone.values(), key=lambda support: support.probability, default=best)
        return _bound(near if near.supported else best)
    good = [support for support in alone.values() if support.supported]
    highest = max(alone.values(), key=lambda support: support.probability)
    if (
        joint is not None
        and joint.supported
        and (not good or joint.probability > highest.probability + _JOINED_GAIN)
    ):
        good = [
            replace(alone[number], supported=True) for number in statement.numbers if number in joint.numbers
        ]
        highest = joint
    if good:
        kept = tuple(support.number for support in good)
        gone = [number for number in statement.numbers if number not in kept]
        reasons = tuple(f"[{number}], which was cited too, does not say this" for number in gone)
        return _Verdict(True, highest.probability, good, kept, reasons)
    if best.supported:
        wrong = "".join(f"[{number}]" for number in statement.numbers)
        return replace(
            _bound(best), reasons=(f"{wrong} was cited and does not say this; [{best.number}] does",)
        )
    quotes = [support for support in alone.values() if support.quote]
    return _Verdict(False, highest.probability, quotes, statement.numbers, highest.reasons)


def _bound(support: Support) -> _Verdict:
    """A claim with the evidence that says it; with none, where nothing does."""
    numbers = (support.number,) if support.number else ()
    quotes = [support] if support.supported else []
    reasons = () if support.supported else support.reasons
    return _Verdict(support.supported, support.probability, quotes, numbers, reasons)


def _proved(verdict: _Verdict, evidence: Sequence[Evidence], read_text: ReadText) -> _Verdict:
    """The verdict with only those quotes that the documents hold where they are said to stand."""
    pieces = {piece.number: piece for piece in evidence}
    quotes = [
        quote
        for quote in verdict.quotes
        if quote.quote
        and read_text(pieces[quote.number].document_id, quote.source_start, quote.source_end) == quote.quote
    ]
    if len(quotes) == len(verdict.quotes):
        return verdict
    lost = "".join(f"[{quote.number}]" for quote in verdict.quotes if quote not in quotes)
    return replace(
        verdict,
        supported=verdict.supported and bool(quotes),
        quotes=quotes,
        reasons=(*verdict.reasons, f"the document of {lost} no longer holds the words of the evidence"),
    )


# -- editing -------------------------------------------------------------------------


def _edits(text: str, statement: Statement, verdict: _Verdict) -> list[_Edit]:
    """Markers that no longer hold are taken away, and those that do are put in."""
    if not verdict.supported:
        return []
    present = {marker.number for marker in statement.markers}
    missing = "".join(f"[{number}]" for number in verdict.numbers if number not in present)
    edits = []
    for marker in statement.markers:
        if marker.number in verdict.numbers:
            continue
        if missing:
            edits.append(_Edit(marker.start, marker.end, missing))
            missing = ""
            continue
        gap = marker.start > 0 and text[marker.start - 1] == " " and text[marker.end : marker.end + 1] != "["
        edits.append(_Edit(marker.start - gap, marker.end))
    if missing:
        ending = _ENDING.search(text, max(statement.start, statement.end - _LONGEST_ENDING), statement.end)
        place = ending.start() if ending and ending.start() > statement.start else statement.end
        edits.append(_Edit(place, place, f" {missing}"))
    return edits


def _cuts(text: str, dropped: Iterable[Claim]) -> list[Span]:
    """What goes with the claims that are dropped: their markers, their gap, their line if it is empty."""
    spans = [(markers_before(text, claim.start), markers_behind(text, claim.end)) for claim in dropped]
    gone = {place for start, end in spans for place in range(start, end)}
    cuts: list[Span] = []
    start = 0
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):  # other separators stand inside of sentences
        end = start + len(line)
        hit = any(place in gone for place in range(start, end))
        mark = _LIST_MARK.match(line)
        opened = start + (mark.end() if mark else 0)
        rest = [
            text[place]
            for place in range(opened, end)
            if place not in gone and not text[place].isspace() and text[place] not in "|*_.,;"
        ]
        if hit and not rest:
            cuts.append((start, end))
        elif hit:
            cuts += [
                _widened(text, max(low, start), min(high, end), opened)
                for low, high in spans
                if low < end and high > start
            ]
        start = end
    return cuts


def _widened(text: str, start: int, end: int, opened: int) -> Span:
    """A cut with one of the gaps beside it, so that none is doubled."""
    if start <= opened:
        while end < len(text) and text[end] in " \t":
            end += 1
    else:
        while start > 0 and text[start - 1] in " \t":
            start -= 1
    return start, end


def _joined(cuts: Iterable[Span]) -> list[_Edit]:
    """The cuts as edits that do not overlap."""
    joined: list[_Edit] = []
    for start, end in sorted(cuts):
        if joined and start <= joined[-1].end:
            joined[-1] = _Edit(joined[-1].start, max(joined[-1].end, end))
        else:
            joined.append(_Edit(start, end))
    return joined


def _edited(text: str, edits: Sequence[_Edit]) -> str:
    parts, position = [], 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        parts += [text[position : edit.start], edit.new]
        position = max(position, edit.end)
    return "".join([*parts, text[position:]])


def _moved(place: int, edits: Sequence[_Edit], *, is_end: bool = False) -> int:
    """Where `place` is after the edits. What is put in at an end stands behind it."""
    moved = place
    for edit in edits:
        if edit.end < place or (edit.end == place and (edit.start < place or not is_end)):
            moved += len(edit.new) - (edit.end - edit.start)
        elif edit.start < place:
            moved -= place - edit.start
    return moved

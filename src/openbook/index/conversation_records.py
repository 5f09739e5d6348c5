"""Conversations as the ledger hands them out, and the form in which an answer is kept there.

What is kept of an answer is its text, its citations with their quotes and what
was found out about it. Evidence is kept as places in documents, never as text,
and neither are notes, headings or the results of an agent's steps: they are
the documents' words, and must go when the documents go.

Refused: pickles, and a column for every field of an answer: the ledger asks
for none of them, and a new field would need a new format.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from openbook.errors import LibraryDamaged
from openbook.types import Answer, Citation, Claim, Evidence, Step

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation without its turns. `turns` is their number, the times are UTC (ISO 8601, "Z").

    `losses` grows whenever removed or changed documents take something out of
    its turns, so that whoever holds them in memory can tell.
    """

    id: int
    name: str
    created_at: str
    updated_at: str
    turns: int
    losses: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer.

    `answer.evidence` holds what is still in the library as it was then.
    `redacted` says why the answer was taken out, "" if it was not; the same
    words are the answer's note then. `id` is 0 for a turn that is not kept.
    """

    id: int
    question: str
    answer: Answer
    created_at: str
    redacted: str = ""


def dump_answer(answer: Answer) -> str:
    """Return what is kept of an answer beside question, meaning and evidence, as JSON.

    Half of a surrogate pair, which SQLite cannot store, is written as an escape.
    """
    kept = {
        "text": answer.text,
        "status": answer.status,
        "confidence": _finite(answer.confidence),
        "citations": [
            [c.start, c.end, c.number, c.quote, c.supported, c.source_start, c.source_end, c.field]
            for c in answer.citations
        ],
        "generator": answer.generator,
        "usage": dict(answer.usage),
        "timings_ms": {name: _finite(spent) for name, spent in answer.timings_ms.items()},
        "claims": [
            [c.start, c.end, list(c.numbers), _finite(c.support), c.supported, list(c.reasons)]
            for c in answer.claims
        ],
        "removed": answer.removed,
        "strategy": answer.strategy,
        "complete": answer.complete,
        "steps": [[s.number, s.tool, dict(s.arguments), _finite(s.seconds), s.failed] for s in answer.steps],
        "value": answer.value,
    }
    text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def read_answer(
    turn_id: int,
    stored: str,
    question: str,
    meant: str,
    evidence: Sequence[Evidence] = (),
    notes: Sequence[str] = (),
) -> Answer:
    """Undo `dump_answer`, adding what is kept elsewhere. Raises LibraryDamaged, naming the turn."""
    try:
        return _answer(_a(json.loads(stored), dict), question, meant, evidence, notes)
    except (ValueError, TypeError, KeyError) as error:
        raise LibraryDamaged(
            f"Turn {turn_id} of a conversation cannot be read ({type(error).__name__}: {error}). Delete that "
            "conversation (openbook conversations delete); the documents are not concerned."
        ) from error


def _answer(
    kept: dict[str, Any], question: str, meant: str, evidence: Sequence[Evidence], notes: Sequence[str]
) -> Answer:
    status = kept["status"]
    if status not in ("answered", "not_found"):
        raise ValueError(f"an answer has the status {status!r}")
    return Answer(
        question=question,
        text=_a(kept["text"], str),
        status=status,
        confidence=_number(kept["confidence"]),
        citations=tuple(_citation(row) for row in _a(kept["citations"], list)),
        evidence=tuple(evidence),
        generator=_a(kept["generator"], str),
        usage={_a(name, str): _a(spent, int) for name, spent in _a(kept["usage"], dict).items()},
        timings_ms={name: _number(spent) for name, spent in _a(kept["timings_ms"], dict).items()},
        notes=tuple(notes),
        meant=meant,
        claims=tuple(_claim(row) for row in _a(kept["claims"], list)),
        removed=_a(kept["removed"], int),
        strategy=_a(kept["strategy"], str),
        complete=_a(kept["complete"], bool),
        steps=tuple(_step(row) for row in _a(kept["steps"], list)),
        value=kept["value"],
    )


def storable(text: str) -> str:
    """Return `text` without halves of surrogate pairs, which no file and no database can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _citation(row: Any) -> Citation:
    start, end, number, quote, supported, source_start, source_end, field = _a(row, list)
    return Citation(
        _a(start, int),
        _a(end, int),
        _a(number, int),
        _a(quote, str),
        _a(supported, bool),
        _a(source_start, int),
        _a(source_end, int),
        _a(field, str),
    )


def _claim(row: Any) -> Claim:
    start, end, numbers, support, supported, reasons = _a(row, list)
    return Claim(
        _a(start, int),
        _a(end, int),
        tuple(_a(number, int) for number in _a(numbers, list)),
        _number(support),
        _a(supported, bool),
        tuple(_a(reason, str) for reason in _a(reasons, list)),
    )


def _step(row: Any) -> Step:
    number, tool, arguments, seconds, failed = _a(row, list)
    if not all(isinstance(value, str | int | float) for value in _a(arguments, dict).values()):
        raise TypeError(f"a step has the arguments {arguments!r}")
    return Step(_a(number, int), _a(tool, str), arguments, "", _number(seconds), _a(failed, bool))


def _a(value: Any, kind: type[T]) -> T:
    """Return `value`, which must be exactly a `kind`: a ledger may come from anybody."""
    if type(value) is not kind:
        raise TypeError(f"{value!r} stands where a {kind.__name__} belongs")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} stands where a number belongs")
    return float(value)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0

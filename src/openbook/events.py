"""What happens while an answer comes about, as values that everybody may watch.

One stream of these is what the terminal prints, what a server sends on and
what a user's callback receives. The order is: retrieval, prompt (once for each
request to a model), tokens and tool calls, usage, verification. The last event
of a stream is a verification, which holds the whole answer; a stream that was
stopped by an error ends with an error event before the error is raised.

Refused: callbacks with a different signature for each kind, and events that
refer to each other; each can be read by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from openbook.types import Answer, Evidence, Message, Step


@dataclass(frozen=True, slots=True)
class RetrievalEvent:
    """What was found. `meant` is the question as it was searched, made to stand alone where it did not.

    `confidence` is the calibrated probability (0 to 1) that the evidence
    answers, as far as it is known before anything is written.
    """

    question: str
    meant: str
    evidence: tuple[Evidence, ...]
    confidence: float
    notes: tuple[str, ...] = ()
    milliseconds: float = 0.0
    kind: Literal["retrieval"] = "retrieval"


@dataclass(frozen=True, slots=True)
class PromptEvent:
    """Exactly what a model is about to see.

    `tokens` counts the messages, `counted_by` says with what ("estimate" where
    the model's own tokenizer is not known), `left_out` what did not fit.
    """

    messages: tuple[Message, ...]
    tokens: int
    counted_by: str
    left_out: tuple[str, ...] = ()
    kind: Literal["prompt"] = "prompt"


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """Some more text of the answer, as it arrived. Not verified yet."""

    text: str
    kind: Literal["token"] = "token"


@dataclass(frozen=True, slots=True)
class ToolCallEvent:
    """One finished step of an agent."""

    step: Step
    kind: Literal["tool_call"] = "tool_call"


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """What was used up so far: `requests`, `input_tokens`, `output_tokens`."""

    usage: Mapping[str, int] = field(default_factory=dict)
    kind: Literal["usage"] = "usage"


@dataclass(frozen=True, slots=True)
class VerificationEvent:
    """The answer, checked. Always the last event of a stream that ends well."""

    answer: Answer
    kind: Literal["verification"] = "verification"


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """Something went wrong. `retry_seconds` says when it is tried again, None if it is not."""

    error: str
    message: str
    retry_seconds: float | None = None
    kind: Literal["error"] = "error"


Event: TypeAlias = (
    RetrievalEvent | PromptEvent | TokenEvent | ToolCallEvent | UsageEvent | VerificationEvent | ErrorEvent
)

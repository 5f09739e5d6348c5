"""Question, evidence and history → the messages that a model sees, fitted to its window.

Fitted by counting: the question always goes in, then the evidence in its
order, then as much of the conversation as there is room for, newest first.
What did not fit is said in words.

Nothing of a document ever stands in the system message, which is constant, and
the number of messages depends on the history alone.

Refused: cutting evidence in the middle of a sentence while other evidence fits,
and a prompt that is "about" as long as it may be: servers that cut off what is
too long cut off the rules first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from openbook.answer.declining import said_not_found
from openbook.answer.evidence import CountTokens
from openbook.answer.fencing import (
    fenced,
    fenced_text,
    new_boundary,
    unbroken_tokens,
    visible,
)
from openbook.answer.rules import ANSWERING, Frame
from openbook.answer.sentences import split_sentences
from openbook.errors import PromptTooLong
from openbook.types import Evidence, Exchange, Message

__all__ = ["Budget", "Frame", "Prompt", "build_prompt", "said_not_found"]

AROUND_MESSAGE: Final = 6
"""Tokens that a message takes besides its text: who speaks, where it begins and ends."""
LEAST_EVIDENCE: Final = 80
"""Tokens, fences included, below which it makes no sense to show the beginning of a piece."""


_MARK: Final = re.compile(r"[ \t]*\[\s*\d+(?:\s*[-,;–]\s*\d+)*\s*\]")


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens: the model's whole window, what is kept for the answer, and what is kept for safety.

    The margin is for what nobody can count: how a server wraps messages.
    """

    context_tokens: int
    answer_tokens: int
    margin: int = 32

    @classmethod
    def of_window(cls, context_tokens: int, answer_tokens: int) -> Budget:
        """A budget whose answer has at most a third of the window, and whose margin is 2 % of it."""
        answer = max(1, min(answer_tokens, context_tokens // 3))
        return cls(context_tokens, answer, max(16, context_tokens // 50))

    @property
    def prompt_tokens(self) -> int:
        """What a prompt may have."""
        return self.context_tokens - self.answer_tokens - self.margin


@dataclass(frozen=True, slots=True)
class Prompt:
    """Messages for a model, and what is in them.

    `evidence` holds the pieces that are shown, with their original numbers; of
    one that is too long by itself, only the beginning is shown and is its text.
    """

    messages: tuple[Message, ...]
    tokens: int
    counted_by: str
    evidence: tuple[Evidence, ...] = ()
    left_out: tuple[str, ...] = ()


def build_prompt(
    question: str,
    evidence: Sequence[Evidence],
    *,
    history: Sequence[Exchange] = (),
    budget: Budget,
    count: CountTokens,
    counted_by: str,
    frame: Frame = ANSWERING,
) -> Prompt:
    """The messages that ask `question`, within `budget.prompt_tokens`.

    `evidence` is taken in its order, each piece that fits; where not even one
    does, the beginning of the first is shown. `history` (oldest first) takes
    what room is left, its newest exchanges first. Raises PromptTooLong where
    there is no room for the question and some evidence.
    """
    boundary = new_boundary([question, frame.draft, *(piece.text for piece in evidence)])
    room = budget.prompt_tokens - fixed_tokens(question, frame, boundary, count)
    shown, blocks, room = _fitting(evidence, boundary, room, count)
    if room < 0 or (evidence and not shown):
        raise PromptTooLong(too_long(question, budget, room, count))
    remembered = _remembered(history, room, count)
    messages = (
        Message("system", frame.rules),
        *(message for exchange in remembered for message in _turns(exchange)),
        Message("user", asking(question, blocks, frame, boundary)),
    )
    left_out = (*_left_out(evidence, shown, budget), *_forgotten(len(_told(history)), len(remembered)))
    return Prompt(messages, message_tokens(messages, count), counted_by, shown, left_out)


def asking(question: str, blocks: Sequence[str], frame: Frame, boundary: str) -> str:
    """The user's message: fenced blocks, an earlier draft, the question, the task."""
    parts = (
        [f"{frame.material}, each piece between lines with the code {boundary}:", *blocks] if blocks else []
    )
    if frame.draft:
        parts += ["The answer so far:", fenced_text(frame.draft, "answer", boundary)]
    return "\n\n".join([*parts, f"Question: {unbroken_tokens(visible(question)).strip()}", frame.ending])


def message_tokens(messages: Sequence[Message], count: CountTokens) -> int:
    """Tokens of messages, with what stands around each."""
    return sum(count([message.text for message in messages])) + AROUND_MESSAGE * len(messages)


def piece_tokens(evidence: Sequence[Evidence], boundary: str, count: CountTokens) -> list[int]:
    """Tokens that each piece takes in a prompt, its fences included."""
    return count([fenced(piece, boundary) + "\n\n" for piece in evidence]) if evidence else []


def beginning(piece: Evidence, room: int, boundary: str, count: CountTokens) -> Evidence | None:
    """As many whole sentences of a piece as fit into `room` tokens, else words; None if that is nothing."""
    if room < LEAST_EVIDENCE:
        return None
    for ends in (
        [end for _, end in split_sentences(piece.text)],
        [match.end() for match in re.finditer(r"\S{1,40}", piece.text)],
    ):
        low, high = 0, len(ends)
        while low < high:
            middle = (low + high + 1) // 2
            if piece_tokens([_shortened(piece, ends[middle - 1])], boundary, count)[0] <= room:
                low = middle
            else:
                high = middle - 1
        if low:
            return _shortened(piece, ends[low - 1])
    return None


def fixed_tokens(question: str, frame: Frame, boundary: str, count: CountTokens) -> int:
    """Tokens of everything but evidence and history."""
    without_evidence = (
        Message("system", frame.rules),
        Message("user", asking(question, [""], frame, boundary)),
    )
    return message_tokens(without_evidence, count)


def too_long(question: str, budget: Budget, room: int, count: CountTokens) -> str:
    """Why a question cannot be asked: `room` is what it leaves for evidence, negative if it does not fit."""
    left = f"leave {room:,} tokens for evidence" if room > 0 else f"are {-room:,} tokens too many"
    return (
        f"The question ({count([question])[0]:,} tokens) and the rules for the model {left}: its window has "
        f"{budget.context_tokens:,} tokens, of which {budget.answer_tokens:,} are kept for the answer. Ask a "
        "shorter question, name a model with a larger window, or correct the setting context_tokens."
    )


def without_marks(text: str) -> str:
    """A text without its citation marks."""
    return _MARK.sub("", text)


def _shortened(piece: Evidence, end: int) -> Evidence:
    return replace(piece, end=piece.start + end, text=piece.text[:end])


def _fitting(
    evidence: Sequence[Evidence], boundary: str, room: int, count: CountTokens
) -> tuple[tuple[Evidence, ...], list[str], int]:
    """The pieces that fit, fenced, and the room that they leave."""
    fences = [fenced(piece, boundary) for piece in evidence]
    shown, blocks, left = [], [], room
    costs = count([f"{block}\n\n" for block in fences]) if fences else []
    for piece, block, tokens in zip(evidence, fences, costs, strict=True):
        if tokens <= left:
            shown.append(piece)
            blocks.append(block)
            left -= tokens
    if evidence and not shown and (begun := beginning(evidence[0], room, boundary, count)) is not None:
        return (begun,), [fenced(begun, boundary)], 0
    return tuple(shown), blocks, left


def _told(history: Sequence[Exchange]) -> list[Exchange]:
    """Exchanges that can be told as two messages."""
    return [exchange for exchange in history if exchange.question.strip() and exchange.answer.strip()]


def _remembered(history: Sequence[Exchange], room: int, count: CountTokens) -> list[Exchange]:
    """The newest exchanges that fit, oldest first."""
    kept: list[Exchange] = []
    for exchange in reversed(_told(history)):
        room -= message_tokens(_turns(exchange), count)
        if room < 0:
            break
        kept.insert(0, exchange)
    return kept


def _turns(exchange: Exchange) -> tuple[Message, Message]:
    """An earlier exchange as messages. Its citation marks mean other evidence, so they go."""
    question, answer = (
        unbroken_tokens(visible(text)).strip() for text in (exchange.question, without_marks(exchange.answer))
    )
    return Message("user", question), Message("assistant", answer)


def _left_out(evidence: Sequence[Evidence], shown: Sequence[Evidence], budget: Budget) -> tuple[str, ...]:
    window = f"into the model's window of {budget.context_tokens:,} tokens"
    lengths = {(piece.number, piece.start): len(piece.text) for piece in shown}
    missing = [piece for piece in evidence if (piece.number, piece.start) not in lengths]
    notes = []
    if missing:
        names = ", ".join(dict.fromkeys(f"[{piece.number}] {piece.path}" for piece in missing))
        notes.append(f"{len(missing)} of {len(evidence)} pieces of evidence did not fit {window}: {names}.")
    for piece in evidence:
        if lengths.get((piece.number, piece.start), len(piece.text)) < len(piece.text):
            notes.append(f"Of [{piece.number}] {piece.path} only the beginning fitted {window}.")
    return tuple(notes)


def _forgotten(told: int, remembered: int) -> tuple[str, ...]:
    if remembered == told:
        return ()
    return (
        f"The oldest {told - remembered} of {told} earlier exchanges did not fit into the model's window.",
    )

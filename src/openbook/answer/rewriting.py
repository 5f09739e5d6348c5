"""Conversations made short: a follow-up that stands alone, and a history that fits.

A follow-up ("and if it's missing?") is rewritten by the model into a question
that can be searched. What it writes is taken only if it looks like one: one
line, not much longer, with a word of the conversation in it. Otherwise the
question stays as it was typed, which is never wrong by more than before.

A long history gives up what matters least first: the evidence of the oldest
exchanges, then the length of their answers, then the exchanges themselves.
With a model, the oldest are summed up instead.

Refused: rewriting a question without a history, and a rewriting that is
believed: what it was searched as is always shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from openbook.answer.declining import said_not_found
from openbook.answer.evidence import CountTokens
from openbook.answer.fencing import fenced_text, new_boundary, unbroken_tokens, visible
from openbook.answer.language_model import LanguageModel, add_usage
from openbook.answer.prompting import AROUND_MESSAGE, Budget, message_tokens, without_marks
from openbook.answer.rules import REWRITING, SUMMING_UP
from openbook.answer.sentences import split_sentences
from openbook.errors import ReplyBroken
from openbook.types import Exchange, Message

SUMMARY_QUESTION: Final = "What was said before?"
"""The question of an exchange whose answer is a summary."""

_REWRITTEN_TOKENS: Final = 120
_SUMMARY_TOKENS: Final = 240
_TURN_WORDS: Final = 80
"""Words of an earlier answer that matter for what a follow-up means."""
_SHORT_ANSWER_WORDS: Final = 40
_LONGEST_LINE: Final = 400
_LABEL: Final = re.compile(
    r"""^[\s"'*_#>-]*(?:(?:the )?(?:rewritten|stand-?alone|follow-up)?[ -]*question)["'*_]*\s*:\s*""",
    re.IGNORECASE,
)
_QUESTION_MARKS: Final = "?？؟;⸮՞፧"
_WORD: Final = re.compile(r"\w+")


def standalone(
    question: str,
    history: Sequence[Exchange],
    model: LanguageModel,
    used: dict[str, int] | None = None,
) -> str:
    """The question as it can be understood without `history` (oldest first).

    The question itself where there is no history, or where the model's reply
    is not one question. What the request takes is added to `used`. Raises
    LanguageModelError where the model cannot be asked at all.
    """
    if not history:
        return question
    budget = Budget.of_window(model.context_tokens, _REWRITTEN_TOKENS)
    ending = (
        f"Follow-up question: {_safe(question)}\n\nWrite it so that it can be understood alone, on one line."
    )
    messages = _about(history, REWRITING, ending, budget.prompt_tokens, model.count_tokens)
    written = _reply(messages, model, budget.answer_tokens, used)
    line = _as_question(written)
    return line if _is_rewriting(line, question, history) else question


def compacted(
    history: Sequence[Exchange],
    budget: int,
    count: CountTokens,
    model: LanguageModel | None = None,
) -> tuple[Exchange, ...]:
    """The history (oldest first) in at most `budget` tokens; unchanged where it fits.

    With a model, the oldest exchanges become one, whose answer sums them up;
    where its reply is of no use, and without a model, they lose first their
    evidence, then most of their answers, and are dropped at last. The newest
    exchange stays, however little of it fits. Raises LanguageModelError where
    the model cannot be asked at all.
    """
    if _tokens(history, count) <= budget:
        return tuple(history)
    if model is not None:
        summed_up = _summed_up(history, budget, count, model)
        if summed_up is not None and _tokens(summed_up, count) <= budget:
            return summed_up
    kept = list(history)
    for shorten in (_without_evidence, _with_short_answer):
        for index, exchange in enumerate(kept):
            if _tokens(kept, count) <= budget:
                return tuple(kept)
            kept[index] = shorten(exchange)
    while len(kept) > 1 and _tokens(kept, count) > budget:
        del kept[0]
    return tuple(kept)


def _summed_up(
    history: Sequence[Exchange], budget: int, count: CountTokens, model: LanguageModel
) -> tuple[Exchange, ...] | None:
    """A summary of the oldest exchanges, and the newest as they are; None where the model gives none."""
    room = budget - min(_SUMMARY_TOKENS, budget // 2) - count([SUMMARY_QUESTION])[0] - 2 * AROUND_MESSAGE
    first = len(history)
    newest = [_without_evidence(exchange) for exchange in history]
    while first > 0 and _tokens(newest[first - 1 :], count) <= room:
        first -= 1
    if first == 0:
        return tuple(newest)
    if first == len(history):
        first -= 1
        newest[-1] = _with_short_answer(newest[-1])
    if first == 0:
        return None
    window = Budget.of_window(model.context_tokens, min(_SUMMARY_TOKENS, budget // 2))
    messages = _about(
        history[:first], SUMMING_UP, "Sum up this conversation.", window.prompt_tokens, model.count_tokens
    )
    text = " ".join(without_marks(_safe(_reply(messages, model, window.answer_tokens))).split())
    if not text or said_not_found(text):
        return None
    return (Exchange(SUMMARY_QUESTION, SUMMARY_QUESTION, text), *newest[first:])


def _about(
    history: Sequence[Exchange], rules: str, ending: str, room: int, count: CountTokens
) -> tuple[Message, Message]:
    """Messages about as many of the newest exchanges as fit into `room` tokens."""
    boundary = new_boundary([ending, *(text for turn in history for text in (turn.question, turn.answer))])
    turns = [f"Question: {_safe(turn.question)}\nAnswer: {_first_words(turn.answer)}" for turn in history]

    def messages(first: int) -> tuple[Message, Message]:
        blocks = [
            fenced_text(turn, f"turn {number}", boundary) for number, turn in enumerate(turns[first:], 1)
        ]
        heading = f"The conversation, each turn between lines with the code {boundary}:"
        return Message("system", rules), Message("user", "\n\n".join([heading, *blocks, ending]))

    first = 0
    while first < len(turns) - 1 and message_tokens(messages(first), count) > room:
        first += 1
    return messages(first)


def _reply(
    messages: Sequence[Message], model: LanguageModel, limit: int, used: dict[str, int] | None = None
) -> str:
    """The text of a reply; "" for one that broke off or was cut off, which is of no use here."""
    try:
        with model.reply(messages, max_tokens=limit) as reply:
            try:
                text = "".join(piece for piece in reply if isinstance(piece, str))
            finally:
                if used is not None:
                    add_usage(used, reply)
            return "" if reply.finish == "length" else text
    except ReplyBroken:
        return ""


def _as_question(text: str) -> str:
    """A reply without labels, quotes and Markdown around it; "" if it has several lines."""
    lines = [line for line in visible(text).splitlines() if line.strip()]
    if len(lines) != 1:
        return ""
    return " ".join(_LABEL.sub("", lines[0]).strip(" \t\"'*_`“”„«»").split())


def _is_rewriting(line: str, question: str, history: Sequence[Exchange]) -> bool:
    """Whether a line can be `question` in other words: a question, not too long, of this conversation."""
    if not line or len(line) > max(_LONGEST_LINE, 3 * len(question)) or said_not_found(line):
        return False
    if without_marks(line) != line:
        return False  # only answers cite
    if question.rstrip()[-1:] in _QUESTION_MARKS and line[-1] not in _QUESTION_MARKS:
        return False
    known = {
        word
        for text in (
            question,
            *(part for turn in history for part in (turn.question, turn.meant, turn.answer)),
        )
        for word in _WORD.findall(text.lower())
    }
    return any(word in known for word in _WORD.findall(line.lower()) if len(word) > 3 or not word.isascii())


def _tokens(history: Sequence[Exchange], count: CountTokens) -> int:
    """Tokens of exchanges, their evidence included."""
    texts = [text for turn in history for text in (turn.question, turn.answer, *turn.evidence)]
    return sum(count(texts)) + 2 * AROUND_MESSAGE * len(history) if texts else 0


def _without_evidence(exchange: Exchange) -> Exchange:
    return replace(exchange, evidence=())


def _with_short_answer(exchange: Exchange) -> Exchange:
    """The exchange with the first sentence of its answer, or its first words."""
    spans = split_sentences(exchange.answer)
    first = exchange.answer[slice(*spans[0])] if spans else exchange.answer
    words = first.split()
    short = first if len(words) <= _SHORT_ANSWER_WORDS else " ".join(words[:_SHORT_ANSWER_WORDS]) + " …"
    return replace(exchange, answer=short)


def _first_words(answer: str) -> str:
    words = without_marks(_safe(answer)).split()
    return " ".join(words) if len(words) <= _TURN_WORDS else " ".join(words[:_TURN_WORDS]) + " …"


def _safe(text: str) -> str:
    return unbroken_tokens(visible(text)).strip()

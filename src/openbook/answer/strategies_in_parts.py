"""Ways to answer from evidence that is larger than a window, in several requests.

What a model writes between the first and the last request was written by one
that had read documents, so it is treated like a document where it is shown to
a model again: fenced, without what nobody sees, and citing only what it was
shown. Its citations stay, for the numbers mean the same everywhere.

Refused: summaries of the evidence made beforehand (they answer no question),
and a score that is anything but a choice between answers: it is no probability.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from openbook.answer.declining import said_not_found
from openbook.answer.fencing import NOT_FOUND_WORDS, fenced_text, new_boundary, unbroken_tokens, visible
from openbook.answer.model_session import BROKEN, Session, Spoken, Stream, announced, failed, streamed
from openbook.answer.prompting import (
    LEAST_EVIDENCE,
    Prompt,
    asking,
    beginning,
    fixed_tokens,
    message_tokens,
    piece_tokens,
    too_long,
)
from openbook.answer.rules import ANSWERING, JOINING, NOTING, REFINING, SCORING, Frame
from openbook.answer.side_by_side import side_by_side
from openbook.errors import LanguageModelError, PromptTooLong
from openbook.events import Event, TokenEvent
from openbook.types import Evidence, Message

Part: TypeAlias = tuple[Evidence, ...]

_SCORE: Final = re.compile(
    r"""["'*_(]*\b(?:score|rating|confidence)\b["'*_]*\s*(?:[:=]|is|of)?[\s"'*_]*(\d{1,3}(?:[.,]\d+)?)(?!\d)"""
    r"""["'*_]*(?:\s*(?:/|out of|of)\s*(\d{1,3})|\s*%)?["'*_)]*""",
    re.IGNORECASE,
)
_ANSWER_LABEL: Final = re.compile(
    r"""^[\s{"'*_#]*(?:final )?answer["'*_]*\s*[:=]["'*_]*\s*["']?""", re.IGNORECASE
)
_MARK: Final = re.compile(r"([ \t]*)\[\s*(\d+(?:\s*[-,;–]\s*\d+)*)\s*\]")
_FRACTION_FOR_NOTES: Final = 4
"""Sets of notes that fit into one window at least, so that joining them gets somewhere."""


def refine(evidence: Sequence[Evidence], session: Session) -> Stream:
    """One request for each part of the evidence; each improves the answer so far; the last is streamed."""
    parts = parts_of(evidence, session, REFINING, reserved=session.budget.answer_tokens, at_least=2)
    prompts: list[Prompt] = []
    lost: list[str] = []
    draft, numbers = Spoken(), set[int]()
    for index, part in enumerate(parts or [()]):
        frame = replace(REFINING, draft=draft.text) if draft.text else ANSWERING
        prompt = session.prompt(part, frame)
        prompts.append(prompt)
        numbers |= {piece.number for piece in prompt.evidence}
        last = index >= len(parts) - 1
        spoken = Spoken()
        try:
            yield from streamed(prompt, session, spoken) if last else silent(prompt, session, spoken)
        except LanguageModelError as error:
            if not draft.text:
                raise
            yield failed(error)
            spoken.finish = BROKEN
            lost.append(_lost(prompt, error))
        if spoken.text.strip() and not (draft.text and said_not_found(spoken.text)):
            keep = last or not said_not_found(spoken.text)
            draft = (
                Spoken(spoken.text if last else own_words(spoken.text, numbers), spoken.finish)
                if keep
                else draft
            )
        elif last:
            yield TokenEvent(draft.text)
            draft.finish = spoken.finish
    yield from session.written(draft, "refine", prompts, left_out=lost)


def map_reduce(evidence: Sequence[Evidence], session: Session) -> Stream:
    """Notes from each part of the evidence, side by side, and one answer from the notes."""
    prompts = [
        session.prompt(part, NOTING) for part in parts_of(evidence, session, NOTING, at_least=2) or [()]
    ]
    notes, lost = yield from _notes(prompts, session)
    while len(sets := _sets(notes, session)) > 1:
        fewer, more = yield from _notes([_joining(few, session) for few in sets], session)
        lost += more
        if len(fewer) >= len(notes):
            break
        notes = fewer
    spoken = Spoken(NOT_FOUND_WORDS, "stop")
    if notes:
        prompt = _joining(sets[0], session)
        spoken = Spoken()
        yield from streamed(prompt, session, spoken)
    yield from session.written(spoken, "map-reduce", prompts, left_out=lost)


def map_rerank(evidence: Sequence[Evidence], session: Session) -> Stream:
    """An answer with a score from each piece of the evidence, side by side; the best one wins."""
    pieces: list[Part] = [(piece,) for part in parts_of(evidence, session, SCORING) for piece in part]
    prompts = [session.prompt(part, SCORING) for part in pieces or [()]]
    results, lost = yield from _results(prompts, session, session.budget.answer_tokens)
    best, highest = Spoken(NOT_FOUND_WORDS, "stop"), 0.0
    for prompt, spoken in results:
        text, score = scored(spoken.text)
        if score > highest:
            best, highest = Spoken(own_words(text, _numbers(prompt)), spoken.finish), score
    if highest:
        yield TokenEvent(best.text)
    yield from session.written(best, "map-rerank", prompts, left_out=lost)


def parts_of(
    evidence: Sequence[Evidence],
    session: Session,
    frame: Frame,
    *,
    reserved: int = 0,
    at_least: int = 1,
) -> list[Part]:
    """The evidence in parts that each fit into one prompt, in order; a piece too long for that is cut.

    A piece that is cut keeps its number in all parts. `reserved` tokens are
    kept free in each; `at_least` two parts are made of one that would do,
    where a way to answer was chosen on purpose. Raises PromptTooLong where
    there is no room for any evidence.
    """
    boundary, count = new_boundary(), session.model.count_tokens
    room = session.budget.prompt_tokens - fixed_tokens(session.question, frame, boundary, count) - reserved
    if evidence and room < LEAST_EVIDENCE:
        raise PromptTooLong(too_long(session.question, session.budget, room, count))
    parts: list[list[Evidence]] = []
    left = 0
    for piece in _cut(evidence, room, boundary, session):
        tokens = piece_tokens([piece], boundary, count)[0]
        if tokens > left:
            parts.append([])
            left = room
        parts[-1].append(piece)
        left -= tokens
    if len(parts) == 1 < at_least and len(parts[0]) > 1:
        middle = (len(parts[0]) + 1) // 2
        parts = [parts[0][:middle], parts[0][middle:]]
    return [tuple(part) for part in parts]


def own_words(text: str, numbers: set[int]) -> str:
    """A model's own text as it may be shown to one again, its marks only those of evidence it was shown."""

    def kept(match: re.Match[str]) -> str:
        cited = [number for number in _cited(match[2]) if number in numbers]
        return f"{match[1]}[{', '.join(map(str, cited))}]" if cited else ""

    return _MARK.sub(kept, unbroken_tokens(visible(text))).strip()


def scored(text: str) -> tuple[str, float]:
    """A reply with a score as answer and score (0 to 1); the last score counts, without one it is one half.

    Labels, quotes, Markdown and JSON around the two are no part of the answer.
    A reply that says "not found" scores 0.
    """
    scores = list(_SCORE.finditer(text))
    score = 0.5
    if scores:
        last = scores[-1]
        value, whole = float(last[1].replace(",", ".")), float(last[2] or 0)
        # "4 of 5" and "8/10" say what they are out of; "0.8" is a share already.
        score = value / (whole or (1.0 if value <= 1 and "." in last[1] else 100.0))
        text = f"{text[: last.start()]} {text[last.end() :]}"
    answer = _ANSWER_LABEL.sub("", text.strip().strip("`").removeprefix("json")).strip(' \t\n{}",*`')
    if not answer or said_not_found(answer):
        return answer, 0.0
    return answer, min(score, 1.0)


def silent(prompt: Prompt, session: Session, spoken: Spoken) -> Iterator[Event]:
    """Send a prompt and keep the reply, whose text is not part of the answer. Raises as `streamed` does."""
    for event in streamed(prompt, session, spoken):
        if not isinstance(event, TokenEvent):
            yield event


def _cut(evidence: Sequence[Evidence], room: int, boundary: str, session: Session) -> Iterator[Evidence]:
    """Each piece, in several where it is longer than `room` tokens."""
    count = session.model.count_tokens
    for piece in evidence:
        rest = piece
        while piece_tokens([rest], boundary, count)[0] > room:
            begun = beginning(rest, room, boundary, count)
            if begun is None:  # not one word fits: the place alone is too long
                raise PromptTooLong(too_long(session.question, session.budget, room, count))
            yield begun
            text = rest.text[len(begun.text) :]
            rest = replace(rest, start=rest.end - len(text.lstrip()), text=text.lstrip())
            if not rest.text:
                break
        else:
            yield rest


@dataclass(frozen=True, slots=True)
class _Notes:
    """What a model wrote down from some evidence."""

    text: str
    evidence: Part


def _notes(
    prompts: Sequence[Prompt], session: Session
) -> Generator[Event, None, tuple[list[_Notes], list[str]]]:
    room = session.budget.prompt_tokens - fixed_tokens(
        session.question, JOINING, new_boundary(), session.model.count_tokens
    )
    limit = min(session.budget.answer_tokens, max(room // _FRACTION_FOR_NOTES, 1))
    results, lost = yield from _results(prompts, session, limit)
    notes = []
    for prompt, spoken in results:
        text = own_words(spoken.text, _numbers(prompt))
        if text and not said_not_found(text):
            notes.append(_Notes(text, prompt.evidence))
    return notes, lost


def _results(
    prompts: Sequence[Prompt], session: Session, limit: int
) -> Generator[Event, None, tuple[list[tuple[Prompt, Spoken]], list[str]]]:
    """Every reply with its prompt, and in words what failed. Raises the first error where all failed."""
    for prompt in prompts:
        yield announced(prompt)
    results, lost = [], []
    replies = side_by_side([prompt.messages for prompt in prompts], session, limit)
    for prompt, (spoken, error) in zip(prompts, replies, strict=True):
        if error is not None:
            yield failed(error)
            lost.append(_lost(prompt, error))
        if spoken.text.strip():
            results.append((prompt, spoken))
    first = next((error for _, error in replies if error is not None), None)
    if first is not None and not results:
        raise first
    return results, lost


def _sets(notes: Sequence[_Notes], session: Session) -> list[list[_Notes]]:
    """Notes in sets that each fit into one prompt; one that fits nowhere is a set of its own."""
    boundary, count = new_boundary(), session.model.count_tokens
    room = session.budget.prompt_tokens - fixed_tokens(session.question, JOINING, boundary, count)
    sets: list[list[_Notes]] = []
    left = 0
    for note in notes:
        tokens = count([fenced_text(note.text, "notes 10", boundary) + "\n\n"])[0]
        if not sets or tokens > left:
            sets.append([])
            left = room
        sets[-1].append(note)
        left -= tokens
    return sets


def _joining(notes: Sequence[_Notes], session: Session) -> Prompt:
    """The prompt that asks for an answer from notes."""
    boundary = new_boundary([session.question, *(note.text for note in notes)])
    blocks = [fenced_text(note.text, f"notes {index}", boundary) for index, note in enumerate(notes, start=1)]
    messages = (
        Message("system", JOINING.rules),
        Message("user", asking(session.question, blocks, JOINING, boundary)),
    )
    tokens = message_tokens(messages, session.model.count_tokens)
    if tokens > session.budget.prompt_tokens:
        raise PromptTooLong(too_long(session.question, session.budget, 0, session.model.count_tokens))
    evidence = tuple(piece for note in notes for piece in note.evidence)
    return Prompt(messages, tokens, session.model.counted_by, evidence)


def _numbers(prompt: Prompt) -> set[int]:
    return {piece.number for piece in prompt.evidence}


def _cited(numbers: str) -> list[int]:
    """The numbers of a mark: "1, 3" and "1-3"."""
    found: list[int] = []
    for part in re.split(r"\s*[,;]\s*", numbers):
        ends = [int(end) for end in re.split(r"\s*[-–]\s*", part)]
        found.extend(range(ends[0], min(ends[-1], ends[0] + 50) + 1) if len(ends) > 1 else ends)
    return found


def _lost(prompt: Prompt, error: LanguageModelError) -> str:
    places = ", ".join(f"[{number}]" for number in sorted(_numbers(prompt)))
    return f"What {places or 'some notes'} would have added is missing or incomplete: {error}"

"""Labelled sets: questions with what a good search should find.

Two forms are read. A *BEIR folder* holds `corpus.jsonl` (`_id`, `title`,
`text`), `queries.jsonl` (`_id`, `text`) and `qrels.tsv` (query, document,
grade), and here also `answers.jsonl` where answers were labelled. A query may
be a conversation so far: its turns begin with "|user|:" (or another speaker's
name) at the beginning of a line, and the last one is asked. A *questions file*
holds one JSON object a line, of one of four kinds:

    answerable     question, file, quote; also: [{file, quote}] are other places that answer
    unanswerable   question
    conversation   turns: [{question, file, quote}], asked one after the other
    multi          question, parts: [{file, quote}], all of which are needed

Refused: a form of our own, and reading a corpus into memory (it may be large).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from openbook.errors import UsageError
from openbook.types import Document, Exchange

QuestionKind = Literal["answerable", "unanswerable", "conversation", "multi"]
KINDS: Final = ("answerable", "unanswerable", "conversation", "multi")
_TURN: Final = "<::>"
"""Between a conversation and the number of a turn in the ids of queries (Katsis et al. 2025, MTRAG)."""
_SPEAKER: Final = re.compile(r"^\|(\w+)\|:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Gold:
    """A verbatim quote from a file that answers a question, or a part of it."""

    file: str
    quote: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it is typed, and what it needs.

    `needs` holds one group of gold quotes for each thing that must be found;
    any quote of a group will do. Unanswerable questions need nothing.
    `history` holds what was asked before in the same conversation, and
    `conversation` names it; "" where the question stands alone.
    """

    id: str
    kind: QuestionKind
    text: str
    needs: tuple[tuple[Gold, ...], ...] = ()
    history: tuple[Exchange, ...] = ()
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """A question with the sentences that annotators selected; none where it cannot be answered."""

    id: str
    question: str
    answerable: bool
    selected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BeirSet:
    """Queries and grades of a BEIR folder; its corpus is read on demand, line by line.

    `histories` holds what was asked before, for queries that are conversations.
    """

    folder: Path
    queries: dict[str, str]
    grades: dict[str, dict[str, int]]
    answers: tuple[LabelledAnswer, ...] = ()
    histories: Mapping[str, tuple[Exchange, ...]] = field(default_factory=dict)

    def clusters(self) -> dict[str, str]:
        """The conversation of each query that is one's turn: ids such as "a1<::>3" name it, as MTRAG does."""
        return {query: query.rpartition(_TURN)[0] for query in self.queries if _TURN in query}

    def documents(self) -> Iterator[Document]:
        """Yield the corpus; a document's path is its id."""
        path = self.folder / "corpus.jsonl"
        for number, row in _rows(path):
            name, text = _field(row, "_id", path, number), _field(row, "text", path, number)
            yield Document(
                path=name,
                text=text,
                media_type="text/plain",
                title=str(row.get("title") or ""),
                language="en",
            )


def is_beir(folder: Path) -> bool:
    """Whether a folder holds a corpus, queries and grades."""
    return all((folder / name).is_file() for name in ("corpus.jsonl", "qrels.tsv"))


def read_beir(folder: Path, *, queries: str = "queries.jsonl") -> BeirSet:
    """Read queries, grades and labelled answers. Raises UsageError, which names file and line."""
    if not is_beir(folder):
        raise UsageError(
            f"{str(folder)!r} is no labelled set; expected a folder with corpus.jsonl, queries.jsonl and "
            "qrels.tsv (BEIR), or a file with one question in JSON a line."
        )
    grades: dict[str, dict[str, int]] = {}
    for query, document, grade in _qrels(folder / "qrels.tsv"):
        grades.setdefault(query, {})[document] = grade
    path = folder / queries
    texts = {
        _field(row, "_id", path, number): _field(row, "text", path, number) for number, row in _rows(path)
    }
    judged = {query: text for query, text in texts.items() if query in grades}
    if not judged:
        raise UsageError(f"None of the {len(texts)} queries in {str(path)!r} has a grade in qrels.tsv.")
    turns = {query: _turns(text) for query, text in judged.items()}
    return BeirSet(
        folder,
        {query: asked for query, (asked, _) in turns.items()},
        grades,
        tuple(_answers(folder / "answers.jsonl")),
        {query: history for query, (_, history) in turns.items() if history},
    )


def read_questions(path: Path) -> tuple[Question, ...]:
    """Read a questions file; every turn of a conversation is a question of its own. Raises UsageError."""
    questions: list[Question] = []
    for number, row in _rows(path):
        name = str(row.get("id", number))
        match row.get("kind"):
            case "answerable":
                golds = [_gold(place, path, number) for place in (row, *row.get("also", ()))]
                questions.append(Question(name, "answerable", _asked(row, path, number), (tuple(golds),)))
            case "unanswerable":
                questions.append(Question(name, "unanswerable", _asked(row, path, number)))
            case "conversation":
                history: tuple[Exchange, ...] = ()
                for position, turn in enumerate(row.get("turns", ()), start=1):
                    needs = ((_gold(turn, path, number),),)
                    asked = _asked(turn, path, number)
                    questions.append(
                        Question(f"{name}.{position}", "conversation", asked, needs, history, name)
                    )
                    history = (*history, Exchange(asked))
            case "multi":
                parts = tuple((_gold(part, path, number),) for part in row.get("parts", ()))
                questions.append(Question(name, "multi", _asked(row, path, number), parts))
            case other:
                raise UsageError(
                    f"{str(path)!r}, line {number}: kind is {other!r}; expected one of {', '.join(KINDS)}."
                )
    if not questions:
        raise UsageError(f"{str(path)!r} holds no questions.")
    return tuple(questions)


def _turns(text: str) -> tuple[str, tuple[Exchange, ...]]:
    """What is asked last in a query, and the exchanges before it. Most queries are one question."""
    parts = _SPEAKER.split(text)
    if len(parts) == 1:
        return text, ()
    exchanges: list[Exchange] = []
    for speaker, said in zip(parts[1::2], parts[2::2], strict=True):
        if speaker.lower() == "user":
            exchanges.append(Exchange(said.strip()))
        elif exchanges:
            exchanges[-1] = replace(exchanges[-1], answer=said.strip())
    return (exchanges[-1].question, tuple(exchanges[:-1])) if exchanges else (text, ())


def _answers(path: Path) -> Iterator[LabelledAnswer]:
    if not path.is_file():
        return
    for number, row in _rows(path):
        groups = row.get("selected", ())
        yield LabelledAnswer(
            id=_field(row, "id", path, number),
            question=_field(row, "question", path, number),
            answerable=bool(row.get("answerable")),
            selected=tuple(sentence for group in groups for sentence in group),
        )


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) of a file with JSON lines."""
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, _object(line, path, number)
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{str(path)!r} is not UTF-8: {error.reason} at byte {error.start}.") from error


def _object(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UsageError(f"{str(path)!r}, line {number}: not JSON ({error.msg}).") from error
    if not isinstance(row, dict):
        raise UsageError(f"{str(path)!r}, line {number}: expected an object, found {type(row).__name__}.")
    return row


def _field(row: dict[str, Any], name: str, path: Path, number: int) -> str:
    value = row.get(name)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise UsageError(f"{str(path)!r}, line {number}: {name!r} is {value!r}; expected a text.")
    return str(value)


def _asked(row: dict[str, Any], path: Path, number: int) -> str:
    return _field(row, "question", path, number)


def _gold(row: dict[str, Any], path: Path, number: int) -> Gold:
    return Gold(_field(row, "file", path, number), _field(row, "quote", path, number))


def _qrels(path: Path) -> Iterator[tuple[str, str, int]]:
    with path.open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
            if number == 1 or not row:
                continue
            if len(row) != 3 or not row[2].strip().lstrip("-").isdigit():
                raise UsageError(
                    f"{str(path)!r}, line {number}: expected query, document and grade, found {row!r}."
                )
            yield row[0], row[1], int(row[2])

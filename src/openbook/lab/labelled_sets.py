"""Labelled sets: questions with what a good search should find, and what a good answer should say.

Two forms are read. A *BEIR folder* holds `corpus.jsonl` (`_id`, `title`,
`text`), `queries.jsonl` (`_id`, `text`) and `qrels.tsv` (query, document,
grade), and here also `answers.jsonl` where answers were labelled. A query may
be a conversation so far: its turns begin with "|user|:" (or another speaker's
name) at the beginning of a line, and the last one is asked. A *questions file*
(JSON lines, CSV, or a question a line) holds a question in each row, with what is known of it:

    question       what is asked; alone, it is an unlabelled question
    path           the document that answers, as the library names it; file is the same
    page, heading  where in that document
    quote          a verbatim quote that answers, with or without a path
    answer         a reference answer in free text (a list holds several)
    unanswerable   true where the documents do not answer
    id, also       a name; other places that answer: [{path, page, heading, quote}]

or, where a row says its `kind`, one of these:

    answerable     question, file, quote; also: [{file, quote}] are other places that answer
    unanswerable   question
    conversation   turns: [{question, file, quote}], asked one after the other
    multi          question, parts: [{file, quote}], all of which are needed

Refused: reading a corpus into memory (it may be large).
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from openbook.errors import UsageError
from openbook.lab.question_rows import (
    Row,
    check_names,
    json_rows,
    rows,
    text_of,
    texts_of,
    truth_of,
    whole_number_of,
    wrong,
)
from openbook.types import Document, Exchange

QuestionKind = Literal["answerable", "unanswerable", "conversation", "multi", "unlabelled"]
KINDS: Final = ("answerable", "unanswerable", "conversation", "multi")
"""The kinds that a row may name; a question without any label is "unlabelled"."""
_FIELDS: Final = (
    "id", "question", "path", "file", "page", "heading", "quote", "answer", "unanswerable", "also",
)  # fmt: skip
_TURN: Final = "<::>"
"""Between a conversation and the number of a turn in the ids of queries (Katsis et al. 2025, MTRAG)."""
_SPEAKER: Final = re.compile(r"^\|(\w+)\|:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Gold:
    """A place that answers a question, or a part of it.

    It is a verbatim quote from a file; or, without a `quote`, the file, or
    its page (a number from 1), or its section under a heading. Without a `file`
    the quote may stand in any document.
    """

    file: str
    quote: str = ""
    page: int | None = None
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it is typed, and what it needs.

    `needs` holds one group of gold quotes for each thing that must be found;
    any quote of a group will do. Unanswerable questions need nothing.
    `references` are answers in free text, any of which will do.
    `history` holds what was asked before in the same conversation, and
    `conversation` names it; "" where the question stands alone.
    """

    id: str
    kind: QuestionKind
    text: str
    needs: tuple[tuple[Gold, ...], ...] = ()
    history: tuple[Exchange, ...] = ()
    conversation: str = ""
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """A question with the sentences that annotators selected; none where it cannot be answered.

    `references` are answers in free text, any of which will do.
    """

    id: str
    question: str
    answerable: bool
    selected: tuple[str, ...]
    references: tuple[str, ...] = ()


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
        for number, row in json_rows(path):
            name, text = text_of(row, "_id", path, number), text_of(row, "text", path, number)
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
        text_of(row, "_id", path, number): text_of(row, "text", path, number)
        for number, row in json_rows(path)
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
    lines: dict[str, int] = {}
    for number, row in rows(path):
        read = _by_kind(row, path, number) if "kind" in row else [_plain(row, path, number)]
        for question in read:
            if (before := lines.setdefault(question.id, number)) != number:
                raise wrong(path, number, f"the id {question.id!r} stands in line {before} already.")
        questions += read
    if not questions:
        raise UsageError(f"{str(path)!r} holds no questions.")
    return tuple(questions)


def mark(labelled: BeirSet | Sequence[Question]) -> str:
    """A short hash of the questions and their labels, by which two sets can be told apart."""
    digest = hashlib.blake2b(digest_size=8)

    def take(*parts: str) -> None:
        for part in parts:
            digest.update(part.encode("utf-8", "surrogatepass") + b"\0")

    if isinstance(labelled, BeirSet):
        for query, text in labelled.queries.items():
            take(query, text, *(turn.question for turn in labelled.histories.get(query, ())))
            take(*(f"{document} {grade}" for document, grade in labelled.grades[query].items()))
        for row in labelled.answers:
            take(row.id, row.question, *row.selected, *row.references)
    else:
        for question in labelled:
            take(question.id, question.kind, question.text, *question.references)
            take(*(turn.question for turn in question.history))
            places = (gold for group in question.needs for gold in group)
            take(*(f"{gold.file} {gold.page} {gold.heading} {gold.quote}" for gold in places))
    return digest.hexdigest()


def _by_kind(row: Row, path: Path, number: int) -> list[Question]:
    name = str(row.get("id", number))
    match row["kind"]:
        case "answerable":
            golds = tuple(_quoted(place, path, number) for place in (row, *row.get("also", ())))
            asked, references = text_of(row, "question", path, number), texts_of(row, "answer", path, number)
            return [Question(name, "answerable", asked, (golds,), references=references)]
        case "unanswerable":
            return [Question(name, "unanswerable", text_of(row, "question", path, number))]
        case "conversation":
            questions: list[Question] = []
            history: tuple[Exchange, ...] = ()
            for position, turn in enumerate(row.get("turns", ()), start=1):
                asked = text_of(turn, "question", path, number)
                questions.append(
                    Question(
                        f"{name}.{position}",
                        "conversation",
                        asked,
                        ((_quoted(turn, path, number),),),
                        history,
                        name,
                        texts_of(turn, "answer", path, number),
                    )
                )
                history = (*history, Exchange(asked))
            return questions
        case "multi":
            parts = tuple((_quoted(part, path, number),) for part in row.get("parts", ()))
            return [Question(name, "multi", text_of(row, "question", path, number), parts)]
        case other:
            raise wrong(path, number, f"kind is {other!r}; expected one of {', '.join(KINDS)}.")


def _plain(row: Row, path: Path, number: int) -> Question:
    """A question whose labels say what kind it is."""
    check_names(row, _FIELDS, path, number)
    name, asked = str(row.get("id", number)), text_of(row, "question", path, number)
    if not asked.strip():
        raise wrong(path, number, "'question' is empty; expected at least one word.")
    places = (row, *_also(row, path, number))
    golds = tuple(gold for place in places if (gold := _place(place, path, number)) is not None)
    references = texts_of(row, "answer", path, number)
    if truth_of(row, "unanswerable", path, number):
        if golds or references:
            raise wrong(path, number, "'unanswerable' is true, but there is a path, a quote or an answer.")
        return Question(name, "unanswerable", asked)
    if golds or references:
        return Question(name, "answerable", asked, (golds,) if golds else (), references=references)
    return Question(name, "unlabelled", asked)


def _also(row: Row, path: Path, number: int) -> list[Row]:
    also = row.get("also", [])
    if not isinstance(also, list) or not all(isinstance(place, dict) for place in also):
        raise wrong(path, number, f"'also' is {also!r}; expected a list of objects with path or quote.")
    return also


def _place(row: Row, path: Path, number: int) -> Gold | None:
    """The place that a row names; None if it names none."""
    here = {name: texts_of(row, name, path, number) for name in ("path", "file", "quote", "heading")}
    page = whole_number_of(row, "page", path, number)
    file = next(iter(here["path"] or here["file"]), "")
    quote = " ".join(here["quote"])
    if not file and not quote:
        if page is not None or here["heading"]:
            raise wrong(path, number, "there is a page or a heading without a document; expected a 'path'.")
        return None
    return Gold(file, quote, page, " ".join(here["heading"]))


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
    for number, row in json_rows(path):
        groups = row.get("selected", ())
        yield LabelledAnswer(
            id=text_of(row, "id", path, number),
            question=text_of(row, "question", path, number),
            answerable=bool(row.get("answerable")),
            selected=tuple(sentence for group in groups for sentence in group),
            references=texts_of(row, "answers", path, number),
        )


def _quoted(row: Row, path: Path, number: int) -> Gold:
    return Gold(text_of(row, "file", path, number), text_of(row, "quote", path, number))


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

"""Measure how often all places that a question of several parts needs are found: one search against an agent.

    python scripts/measure_agent.py DATA

DATA is a folder with `r4ds/` and `r4ds-questions.jsonl` (kind "multi": a
question, and the quotes that it needs, in several files). The model is a
script, not a language model: it cuts the question at commas and "and",
searches for each part of three words or more, and stops. It knows no answers,
no quotes and no files, and does nothing with what it is told; a language model
that reads the results can go further, or less far.

A place counts as found as in `openbook.lab.quotes`: half of the quote lies in
a piece of the evidence. One search is measured twice: with as many hits as a
plain answer uses, and with as many characters of evidence as the agent had.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from openbook.answer.language_model import Script, ScriptedModel
from openbook.lab.quotes import NormalisedText, covers
from openbook.library import Library
from openbook.settings import Settings
from openbook.types import Message, ToolCall


class Stretch(Protocol):
    """A stretch of a document: a hit, or a piece of evidence."""

    @property
    def path(self) -> str: ...
    @property
    def document_id(self) -> int: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


def parts_of(question: str) -> list[str]:
    """The question cut at commas and "and"; parts of one or two words are left out."""
    pieces = [piece.strip(" ?,") for piece in re.split(r",\s*(?:and\s)?|\sand\s", question)]
    return [piece for piece in pieces if len(piece.split()) >= 3]


def decomposing(messages: Sequence[Message]) -> Script:
    """Search for each part of the question, then stop."""
    if any(message.role == "tool" for message in messages):
        return "Done [1]."
    question = messages[1].text.rpartition("Question: ")[2]
    return [ToolCall("search", json.dumps({"query": part})) for part in parts_of(question)] or "Done [1]."


class Gold:
    """The quotes that questions need, looked up in a library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._texts: dict[int, NormalisedText] = {}

    def found(self, stretches: Sequence[Stretch], parts: Sequence[dict[str, str]]) -> int:
        """How many of the parts lie in one of the stretches."""
        return sum(any(self._holds(stretch, part) for stretch in stretches) for part in parts)

    def _holds(self, stretch: Stretch, part: dict[str, str]) -> bool:
        if not stretch.path.endswith(part["file"]):
            return False
        if stretch.document_id not in self._texts:
            self._texts[stretch.document_id] = NormalisedText(
                self._library.document(stretch.document_id).text
            )
        return covers(self._texts[stretch.document_id], stretch.start, stretch.end, part["quote"])


def measure(library: Library, questions: Sequence[dict[str, Any]]) -> None:
    """Print, for each question and in sum, how many of its parts each way finds."""
    gold = Gold(library)
    complete = {"one search": 0, "as much text": 0, "agent": 0}
    for row in questions:
        model = ScriptedModel(decomposing, context_tokens=100_000)
        answer = library.ask(row["question"], model=model, agent=True)
        characters = sum(len(piece.text) for piece in answer.evidence)
        more, used = [], 0
        for hit in library.search(row["question"], k=40):
            if used < characters:
                more.append(hit)
                used += len(hit.text)
        ways: dict[str, Sequence[Stretch]] = {
            "one search": list(library.search(row["question"])),
            "as much text": more,
            "agent": answer.evidence,
        }
        counts = {name: gold.found(stretches, row["parts"]) for name, stretches in ways.items()}
        for name, count in counts.items():
            complete[name] += count == len(row["parts"])
        steps = len(answer.steps)
        print(f"{row['id']}: of {len(row['parts'])} parts {counts}, {steps} steps, {characters:,} characters")
    print(f"all parts found, of {len(questions)} questions: {complete}")


def main() -> None:
    """Index the book and measure."""
    data = Path(sys.argv[1])
    lines = (data / "r4ds-questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [row for row in map(json.loads, lines) if row["kind"] == "multi"]
    with (
        TemporaryDirectory(prefix="openbook-agent-") as folder,
        Library(folder, settings=Settings()) as library,
    ):
        library.add(data / "r4ds")
        measure(library, questions)


if __name__ == "__main__":
    main()

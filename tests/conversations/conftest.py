"""A small library to talk to, and answers that are scripted over evidence really found."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from openbook.answer.evidence import gather_evidence
from openbook.conversing import Chat
from openbook.events import Event, RetrievalEvent, TokenEvent, VerificationEvent
from openbook.library import Library
from openbook.settings import Settings
from openbook.types import Answer, Citation, Evidence, Exchange

SETTINGS = Settings(
    embedder="hash:64", read_workers=1, lock_seconds=2.0, chunk_tokens=60, answer_threshold=0.0
)
TEXTS = {
    "heron.md": "# Herons\n\nThe grey heron stands still in shallow water.\n\n"
    "It eats fish, frogs and voles.\n",
    "swift.md": "# Swifts\n\nThe swift sleeps on the wing and lands only to nest.\n",
    "oak.txt": "The oak near the mill is four hundred years old.\nIts acorns feed the jays.\n",
}
QUOTED = re.compile("“(.*?)”", re.DOTALL)


class Scripted:
    """`ask_stream` of a library whose model says what a test wants; “quotes” in it become citations.

    `asked` keeps the history of every question. `before_the_end` is called when all text has been sent.
    """

    def __init__(self, library: Library, *texts: str, meant: str = "") -> None:
        self.library = library
        self.texts = list(texts)
        self.meant = meant
        self.asked: list[Sequence[Exchange]] = []
        self.before_the_end: Callable[[], None] = lambda: None

    def __call__(self, question: str, *, history: Sequence[Exchange] = (), **options: Any) -> Iterator[Event]:
        text = self.texts[min(len(self.asked), len(self.texts) - 1)]
        self.asked.append(history)
        evidence, _ = gather_evidence(
            self.library.search(question, where=options.get("where", ())),
            budget_tokens=2000,
            count_tokens=lambda texts: [len(one.split()) for one in texts],
        )
        meant = self.meant or question
        yield RetrievalEvent(question, meant, evidence, 0.75)
        for word in re.findall(r"\s*\S+", text):
            yield TokenEvent(word)
        self.before_the_end()
        yield VerificationEvent(
            Answer(
                question=question,
                text=text,
                status="answered",
                confidence=0.75,
                citations=tuple(cited(text, evidence)),
                evidence=evidence,
                generator="scripted:model",
                usage={"requests": 1},
                meant=meant,
            )
        )


def cited(text: str, evidence: Sequence[Evidence]) -> Iterator[Citation]:
    """A citation for each “quote” of a text that stands in the evidence."""
    for found in QUOTED.finditer(text):
        quote = found.group(1)
        for piece in evidence:
            if (place := piece.text.find(quote)) >= 0:
                start = piece.start + place
                yield Citation(
                    found.start(1), found.end(1), piece.number, quote, True, start, start + len(quote)
                )
                break


def files_with(word: str, folder: Path) -> list[str]:
    """Files under `folder` that hold `word`. Another process looks: reading drops SQLite's locks."""
    command = [
        "grep",
        "--recursive",
        "--text",
        "--ignore-case",
        "--files-with-matches",
        "--",
        word,
        str(folder),
    ]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode in (0, 1), found.stderr
    return found.stdout.splitlines()


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder of three documents."""
    root = tmp_path / "documents"
    root.mkdir()
    for name, text in TEXTS.items():
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def library(tmp_path: Path, documents: Path) -> Iterator[Library]:
    """A library that holds the three documents."""
    with Library(tmp_path / "library", settings=SETTINGS) as library:
        library.add(documents)
        yield library


@pytest.fixture
def begin(library: Library) -> Callable[..., Chat]:
    """Begins a conversation whose model says the given texts."""

    def beginning(*texts: str, meant: str = "", **options: Any) -> Chat:
        return Chat(library._ledger, Scripted(library, *texts, meant=meant), **options)

    return beginning

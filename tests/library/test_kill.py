"""`kill -9` at any moment of an `add` loses nothing and leaves nothing half in."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from openbook.library import Library

KILLS = 25
PROCESS = Path(__file__).with_name("adding_process.py")
WORDS = [
    "river", "stone", "heron", "mill", "oak", "bridge", "winter",
    "harvest", "letter", "engine", "copper", "valley", "storm", "garden",
]  # fmt: skip
Opener = Callable[..., Library]
Contents = dict[str, list[tuple[int, int, str]]]


def start(place: Path, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(PROCESS), str(place), str(folder)], stdout=subprocess.PIPE)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A folder of 120 documents of a few chunks each, always the same."""
    dice = random.Random(7)
    folder = tmp_path / "book"
    folder.mkdir()
    for number in range(120):
        paragraphs = [" ".join(dice.choices(WORDS, k=40)) + "." for _ in range(6)]
        text = f"# Chapter {number}\n\n" + "\n\n".join(paragraphs) + "\n"
        (folder / f"chapter{number:03}.md").write_text(text, encoding="utf-8")
    return folder


def contents(library: Library) -> Contents:
    """Every chunk of every document, by path: what must not depend on the history."""
    found: Contents = {}
    for record in library.documents():
        hits = library.search("heron", k=100, where=[f"path={record.path}"], per_document=100)
        found[record.path] = sorted((hit.start, hit.end, hit.text) for hit in hits)
    return found


def results(library: Library) -> list[list[tuple[str, int, float]]]:
    questions = ("heron at the mill", "copper engine", "storm over the garden", "winter letter")
    return [
        [(hit.path, hit.start, round(hit.score, 4)) for hit in library.search(question, k=10)]
        for question in questions
    ]


def test_killed_runs_end_as_an_undisturbed_one(open_library: Opener, book: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    with start(tmp_path / "undisturbed", book) as process:
        assert process.wait() == 0
    duration = time.monotonic() - started
    dice = random.Random(11)
    killed = 0
    for round_number in range(KILLS):
        # A library that is complete is begun again, so that kills fall into every phase.
        place = tmp_path / f"killed{round_number % 5}"
        with start(place, book) as process:
            try:
                process.wait(timeout=dice.uniform(0.05, duration))
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
    assert killed >= KILLS // 3
    expected = open_library(place="undisturbed")
    wanted, answers = contents(expected), results(expected)
    for number in range(5):
        library = open_library(place=f"killed{number}")
        before = library.verify(repair=False)
        assert before.ok, before.problems
        library.add(book)
        after = library.verify(repair=False)
        assert after.ok, after.problems
        assert after.checked == expected.verify(repair=False).checked
        assert contents(library) == wanted
        assert results(library) == answers


def test_readers_go_on_while_another_process_adds(
    open_library: Opener, documents: Path, book: Path, tmp_path: Path
) -> None:
    place = tmp_path / "shared"
    with start(place, documents) as first:
        assert first.wait() == 0
    readers = [open_library(place="shared") for _ in range(2)]
    with start(place, book) as writer:
        searches = 0
        while writer.poll() is None or searches == 0:
            for reader in readers:
                hits = reader.search("grey heron in shallow water", k=5, where=["path=birds/*"])
                assert hits[0].path == "birds/heron.md"
                for hit in reader.search("heron at the mill", k=5):
                    assert reader.document(hit.document_id).text[hit.start : hit.end] == hit.text
                searches += 1
        assert writer.returncode == 0
    assert {hit.path.startswith("chapter") for hit in readers[0].search("copper engine", k=5)} == {True}

"""What a real book goes through: kills, readers beside a writer, one changed paragraph.

    python -m benchmarks.robustness kills        kill -9 at 25 random moments of `add`, then verify and add
    python -m benchmarks.robustness readers      two processes search while a third adds
    python -m benchmarks.robustness paragraph    one paragraph changed in one chapter, `add` again

Uses the installed model and the commands as a user starts them. Prints one
JSON object; the exit code is 1 where a promise was broken.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.budgets import DATA
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.library import Library

COMMAND = Path(sys.executable).with_name("openbook")
KILLS = 25
QUESTIONS = (
    "how do I join two tables?",
    "what does pivot_longer do?",
    "why are my dates read as strings?",
    "regular expression for digits",
    "missing values in a mean",
)


def start(folder: Path, library: Path) -> subprocess.Popen[bytes]:
    """Start `openbook add`, quietly."""
    command = [str(COMMAND), "add", str(folder), "--library", str(library), "--json"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def contents(place: Path) -> dict[str, list[tuple[int, int, bytes]]]:
    """Chunks of every document, by path."""
    with Ledger(place / LEDGER_NAME) as ledger:
        return {
            record.path: [(c.start, c.end, c.text_hash) for c in ledger.document_chunks(record.id)]
            for record in ledger.documents()
        }


def vectors(place: Path) -> dict[str, Any]:
    """Plain vectors of every document, by path."""
    with Ledger(place / LEDGER_NAME) as ledger:
        paths = {record.id: record.path for record in ledger.documents()}
        active = ledger.active_generation()
        found = ledger.iterate_vectors(active.id) if active else ()
        return {paths[document]: matrix for document, _, matrix in found}


def results(place: Path) -> list[list[tuple[str, int, int, float]]]:
    """The first ten hits of a few questions."""
    with Library(place, create=False) as library:
        return [
            [(hit.path, hit.start, hit.end, round(hit.score, 5)) for hit in library.search(question, k=10)]
            for question in QUESTIONS
        ]


def kills(folder: Path) -> dict[str, Any]:
    """Kill `add` of the book at random moments; each time verify, and at the end compare."""
    book, calm, killed = folder / "book", folder / "calm", folder / "killed"
    shutil.copytree(DATA / "r4ds", book)
    started = time.perf_counter()
    start(book, calm).wait()
    duration = time.perf_counter() - started
    dice = random.Random(5)
    problems: list[str] = []
    for _ in range(KILLS):
        process = start(book, killed)
        try:
            process.wait(timeout=dice.uniform(0.2, duration / 8))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        else:
            shutil.rmtree(killed)  # complete already: begin again, so that every kill hits an add
            continue
        if (killed / LEDGER_NAME).is_file():
            with Library(killed, create=False) as library:
                problems.extend(library.verify(repair=False).problems)
    start(book, killed).wait()
    with Library(killed, create=False) as library:
        problems.extend(library.verify(repair=False).problems)
    first, second = vectors(calm), vectors(killed)
    same_vectors = first.keys() == second.keys() and all(np.array_equal(first[p], second[p]) for p in first)
    return {
        "kills": KILLS,
        "problems": problems,
        "same_chunks": contents(calm) == contents(killed),
        "same_vectors": same_vectors,
        "same_results": results(calm) == results(killed),
        "ok": not problems
        and contents(calm) == contents(killed)
        and same_vectors
        and results(calm) == results(killed),
    }


SEARCHING = """
import sys
from openbook.library import Library
questions = sys.argv[3:]
searches = wrong = 0
with Library(sys.argv[1], create=False) as library:
    while sys.stdin is not None:
        for question in questions:
            for hit in library.search(question, k=10):
                wrong += library.document(hit.document_id).text[hit.start:hit.end] != hit.text
            searches += 1
        import pathlib
        if pathlib.Path(sys.argv[2]).exists():
            break
print(searches, wrong)
"""


def readers(folder: Path) -> dict[str, Any]:
    """Two processes search without pause while a third adds the book."""
    book, place, finished = folder / "book", folder / "library", folder / "finished"
    shutil.copytree(DATA / "r4ds", book)
    small = folder / "small"
    small.mkdir()
    (small / "first.md").write_text("# First\n\nA document to begin with.\n", encoding="utf-8")
    start(small, place).wait()
    writer = start(book, place)
    command = [sys.executable, "-c", SEARCHING, str(place), str(finished), *QUESTIONS]
    searching = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    code = writer.wait()
    finished.touch()
    outputs = [process.communicate() for process in searching]
    counts = [tuple(map(int, out.split())) for out, _ in outputs if out.strip()]
    return {
        "writer_exit": code,
        "searches": [count[0] for count in counts],
        "wrong": [count[1] for count in counts],
        "errors": [error[-500:] for _, error in outputs if error],
        "ok": code == 0 and len(counts) == 2 and all(count[1] == 0 for count in counts),
    }


def paragraph(folder: Path) -> dict[str, Any]:
    """Change one paragraph of one chapter and add again."""
    book, place = folder / "book", folder / "library"
    shutil.copytree(DATA / "r4ds", book)
    start(book, place).wait()
    before = {digest for rows in contents(place).values() for _, _, digest in rows}
    chapter = book / "joins.qmd"
    text = chapter.read_text(encoding="utf-8")
    middle = text.index("\n\n", len(text) // 2)
    end = text.index("\n\n", middle + 2)
    chapter.write_text(
        f"{text[:middle]}\n\nThis paragraph was written anew by the benchmark.{text[end:]}", encoding="utf-8"
    )
    os.utime(chapter, (time.time() - 60, time.time() - 60))
    started = time.perf_counter()
    with Library(place, create=False) as library:
        report = library.add(book)
    seconds = time.perf_counter() - started
    new = {digest for rows in contents(place).values() for _, _, digest in rows} - before
    return {
        "outcomes": report.counts,
        "chunks_of_the_chapter": report.chunks,
        "embedded": report.embedded,
        "chunks_with_new_text": len(new),
        "seconds": round(seconds, 2),
        "ok": report.embedded == len(new),
    }


def main() -> int:
    """Run one of them."""
    with tempfile.TemporaryDirectory(prefix="openbook-bench-") as name:
        result = {"kills": kills, "readers": readers, "paragraph": paragraph}[sys.argv[1]](Path(name))
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())

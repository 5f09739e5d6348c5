"""Speed, memory and recall of the two derived indexes over synthetic chunks.

    python benchmarks/bench_index.py 100000 1000000

Words follow Zipf's law with English stop words at the top; vectors are
clustered and anisotropic, as sentence embeddings are. The indexes are built by
one process and measured by a fresh one, so memory and opening times are those
of a reader. Prints one JSON object for each size; times in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from openbook.index.ledger import Ledger
from openbook.index.lexical import LexicalIndex
from openbook.index.vectors import VectorIndex

CHUNKS = 20
"""Chunks of each synthetic document."""
WORDS = 160
"""Words of each chunk: about 240 tokens."""
VOCABULARY = 300_000
DIMENSION = 384
WEIGHT = 1.0
QUESTIONS = 100
STOP_WORDS = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had "
    "an they which you one we all her she there would their will when who him been has more if no out "
    "do so can what up said about other into than its time only could new them man some these then two "
    "first may any like now my such make over our even most me state after also made many did must "
    "before back see"
)


class SyntheticLedger:
    """As much of a ledger as the indexes read, made up as it is read: nothing is kept."""

    library_id = "synthetic"
    sequence = 1

    def __init__(self, chunks: int) -> None:
        self.documents = chunks // CHUNKS
        weights = 1 / np.arange(1, VOCABULARY + 1) ** 1.05
        self._shares = np.cumsum(weights / weights.sum())
        self.vocabulary = vocabulary()
        random = np.random.default_rng(7)
        # few strong directions, many weak ones, turned so that every dimension has its share
        self._turn = np.linalg.qr(random.standard_normal((DIMENSION, DIMENSION)))[0].astype(np.float32)
        self._spread = (1 / np.arange(1, DIMENSION + 1) ** 0.4).astype(np.float32)
        self._centres = self._points(random, max(self.documents // 25, 1))

    def iterate_texts(
        self, document_ids: Sequence[int] | None = None
    ) -> Iterator[tuple[int, str, list[tuple[int, str, str]]]]:
        """Yield documents of random words."""
        del document_ids
        for document in range(self.documents):
            random = np.random.default_rng(document)
            ranks = np.searchsorted(self._shares, random.random((CHUNKS, WORDS)))
            texts = [" ".join(row) for row in self.vocabulary[ranks].tolist()]
            yield document, "en", [(document * CHUNKS + i, "Title > Part", t) for i, t in enumerate(texts)]

    def iterate_vectors(
        self, generation_id: int, document_ids: Sequence[int] | None = None
    ) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float16]]]:
        """Yield documents of vectors around a centre, each document around a place of its own."""
        del generation_id, document_ids
        for document in range(self.documents):
            random = np.random.default_rng(document)
            place = self._centres[document % len(self._centres)] + 0.6 * self._points(random, 1)
            vectors = unit(place + 0.9 * self._points(random, CHUNKS))
            ids = np.arange(document * CHUNKS, (document + 1) * CHUNKS, dtype=np.int64)
            yield document, ids, vectors.astype(np.float16)

    def _points(self, random: np.random.Generator, count: int) -> NDArray[np.float32]:
        normal = random.standard_normal((count, DIMENSION), dtype=np.float32)
        return cast("NDArray[np.float32]", (normal * self._spread) @ self._turn)

    def questions(self) -> list[str]:
        """Return questions of five content words and some stop words, rare and frequent ones mixed.

        About 20 tokens: as long as the longer of the questions in the evaluation data (medians 9 to 20
        tokens, 4 to 9 terms), so that embedding one costs what it costs in earnest.
        """
        random = np.random.default_rng(11)
        ranks = np.exp(
            random.uniform(np.log(len(STOP_WORDS.split())), np.log(50_000), (QUESTIONS, 5))
        ).astype(int)
        return ["how do I " + " ".join(row) for row in self.vocabulary[ranks].tolist()]

    def queries(self) -> NDArray[np.float32]:
        """Return unit vectors of questions: near a document, but no copy of a chunk."""
        random = np.random.default_rng(13)
        chosen = random.integers(0, self.documents, QUESTIONS)
        places = []
        for document in chosen.tolist():
            again = np.random.default_rng(document)
            place = self._centres[document % len(self._centres)] + 0.6 * self._points(again, 1)
            places.append(place[0] + 1.2 * self._points(random, 1)[0])
        return unit(np.array(places, dtype=np.float32))


def vocabulary() -> NDArray[np.object_]:
    """Return words by rank: the stop words, then made-up ones that no stemmer merges."""
    syllables = [a + b for a in "bdfgklmnprtvz" for b in "aiou"]
    words = STOP_WORDS.split()
    size = len(syllables)
    for number in range(VOCABULARY - len(words)):
        parts = [
            syllables[number % size],
            syllables[number // size % size],
            syllables[number // size**2 % size],
        ]
        words.append("".join(parts) + "k" * (1 + number // size**3))
    return np.array(words, dtype=object)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows of length 1."""
    return cast("NDArray[np.float32]", vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def megabytes() -> float:
    """Resident memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def timed(action: Callable[[int], object]) -> dict[str, float]:
    """Run the action once for each question; return the median and 95th percentile in ms."""
    times = []
    for number in range(QUESTIONS):
        start = time.perf_counter()
        action(number)
        times.append(1000 * (time.perf_counter() - start))
    return {"median": round(statistics.median(times), 2), "p95": round(sorted(times)[95], 2)}


def build(folder: Path, chunks: int) -> dict[str, Any]:
    """Build both indexes; return seconds, peak memory and size."""
    synthetic = SyntheticLedger(chunks)
    ledger = cast("Ledger", synthetic)
    report: dict[str, Any] = {}
    start = time.perf_counter()
    vectors = VectorIndex(folder / "vectors", 1, DIMENSION, surroundings_weight=WEIGHT)
    vectors.rebuild(ledger)
    vectors.close()
    report["vectors_build_s"] = round(time.perf_counter() - start, 1)
    report["vectors_peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    start = time.perf_counter()
    lexical = LexicalIndex(folder / "lexical")
    lexical.rebuild(ledger)
    report["lexical_build_s"] = round(time.perf_counter() - start, 1)
    report["lexical_peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    for name in ("lexical", "vectors"):
        size = sum(file.stat().st_size for file in (folder / name).iterdir())
        report[f"{name}_mb"] = round(size / 1e6)
    return report


def measure(folder: Path, chunks: int) -> dict[str, Any]:
    """Open both indexes, search, and return times, memory and recall."""
    synthetic = SyntheticLedger(chunks)
    questions, queries = synthetic.questions(), synthetic.queries()
    report: dict[str, Any] = {"before_mb": round(megabytes())}
    start = time.perf_counter()
    lexical = LexicalIndex(folder / "lexical")
    opened = time.perf_counter()
    vectors = VectorIndex(folder / "vectors", 1, DIMENSION, surroundings_weight=WEIGHT)
    report["open_lexical"] = round(1000 * (opened - start), 1)
    report["open_vectors"] = round(1000 * (time.perf_counter() - opened), 1)
    report["opened_mb"] = round(megabytes())
    random = np.random.default_rng(17)
    some = [random.choice(chunks, 200, replace=False).tolist() for _ in range(QUESTIONS)]

    def hybrid(number: int) -> None:
        words = dict(lexical.search(questions[number], limit=200))
        near = dict(vectors.search(queries[number], limit=200))
        lexical.scores(questions[number], [i for i in near if i not in words])
        vectors.cosines(queries[number], [i for i in words if i not in near])

    hybrid(0)
    report["lexical_search"] = timed(lambda n: lexical.search(questions[n], limit=200))
    report["lexical_scores"] = timed(lambda n: lexical.scores(questions[n], some[n]))
    report["vector_search"] = timed(lambda n: vectors.search(queries[n], limit=200))
    report["vector_cosines"] = timed(lambda n: vectors.cosines(queries[n], some[n]))
    report["hybrid"] = timed(hybrid)
    report["searched_mb"] = round(megabytes())
    for share in (0.001, 0.01, 0.1, 0.5):
        count = max(1, int(chunks * share))
        within = np.sort(random.choice(chunks, count, replace=False)).astype(np.int64)
        by_words = partial(lexical.search, limit=200, within=within)
        by_vector = partial(vectors.search, limit=200, within=within)
        report[f"within_{share:g}"] = {
            "lexical": timed(lambda n, search=by_words: search(questions[n]))["median"],  # type: ignore[misc]
            "vector": timed(lambda n, search=by_vector: search(queries[n]))["median"],  # type: ignore[misc]
        }
    report["recall@10"] = recall(vectors, queries, chunks)
    return report


def recall(vectors: VectorIndex, queries: NDArray[np.float32], chunks: int) -> dict[str, float]:
    """Return the share of the exact ten nearest that searches find, by the limit of the search."""
    scores = np.empty((QUESTIONS, chunks), dtype=np.float32)
    loaded = vectors._loaded
    assert loaded is not None
    for start in range(0, chunks, 50_000):
        rows = np.arange(start, min(start + 50_000, chunks))
        scores[:, start : rows[-1] + 1] = queries @ loaded.vectors.read(rows).astype(np.float32).T
    exact = np.argpartition(-scores, 10, axis=1)[:, :10]
    found = {}
    for limit in (10, 50, 200):
        shares = []
        for number, query in enumerate(queries):
            best = [i for i, _ in vectors.search(query, limit=limit)[:10]]
            shares.append(np.isin(loaded.bits.ids[exact[number]], best).mean())
        found[f"limit {limit}"] = round(float(np.mean(shares)), 4)
    return found


def main() -> None:
    """Build and measure in processes of their own, for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chunks", type=int, nargs="*", default=[100_000])
    parser.add_argument("--step", choices=["build", "measure"])
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.step:
        step = build if arguments.step == "build" else measure
        print(json.dumps(step(arguments.folder, arguments.chunks[0])))
        return
    for chunks in arguments.chunks:
        with tempfile.TemporaryDirectory() as temporary:
            folder = arguments.folder or Path(temporary)
            report: dict[str, Any] = {"chunks": chunks}
            for step_name in ("build", "measure"):
                command = [
                    sys.executable,
                    __file__,
                    str(chunks),
                    "--step",
                    step_name,
                    "--folder",
                    str(folder),
                ]
                report |= json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

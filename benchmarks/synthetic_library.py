"""A library of made-up chunks, as large as wanted, whose searches cost what real ones cost.

Words follow Zipf's law; vectors are clustered and anisotropic (see
`bench_index`). The text goes through the real ledger and both real indexes,
and the vectors stand under the fingerprint of the installed model, so a search
embeds its question with the real model.

    python -m benchmarks.synthetic_library build FOLDER 100000
    python -m benchmarks.synthetic_library measure FOLDER
    python -m benchmarks.synthetic_library recall FOLDER
    python -m benchmarks.synthetic_library request FOLDER

`request` measures how long a question takes until it arrives at a language
model's server: search, evidence, the early judgement, the prompt, and the
connection. The server is a scripted one in a process of its own; a connection
to it is open already, as after a first question.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.bench_index import DIMENSION, SyntheticLedger, megabytes, recall
from openbook.embedders import open_embedder
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.records import FileRecord, hash_text
from openbook.library import Library
from openbook.settings import load_settings
from openbook.types import Chunk, Document

GROUP = 500
"""Documents written in one transaction."""
WARM_UP = 10


def build(folder: Path, chunks: int) -> dict[str, float]:
    """Fill a new library and bring its indexes up to date. Returns seconds."""
    started = time.perf_counter()
    synthetic = SyntheticLedger(chunks)
    embedder = open_embedder(load_settings())
    if embedder is None or embedder.dimension != DIMENSION:
        raise SystemExit("The default model is needed: openbook model install")
    folder.mkdir(parents=True, exist_ok=True)
    with Ledger(folder / LEDGER_NAME, create=True) as ledger:
        generation = ledger.open_generation(embedder.fingerprint, embedder.name, DIMENSION)
        source = ledger.put_source("synthetic", "memory")
        texts, vectors = synthetic.iterate_texts(), synthetic.iterate_vectors(1)
        for first in range(0, synthetic.documents, GROUP):
            with ledger.transaction():
                entered = []
                for _ in range(min(GROUP, synthetic.documents - first)):
                    number, _, rows = next(texts)
                    _, _, matrix = next(vectors)
                    document, pieces = _document(number, [text for _, _, text in rows])
                    record = FileRecord(document.path, source.id, 1, 1, hash_text(document.path), "added")
                    entered.append(ledger.put_document(source.id, document, pieces, record))
                    hashes = [hash_text(piece.embedded_text) for piece in pieces]
                    ledger.put_vectors(generation.id, hashes, matrix.astype(np.float16))
                ledger.mark_embedded(generation.id, entered)
    written = time.perf_counter()
    with Library(folder):
        pass
    return {"ledger_s": written - started, "indexes_s": time.perf_counter() - written}


def measure(folder: Path) -> dict[str, float]:
    """Search with questions and return milliseconds and resident megabytes."""
    with Library(folder, create=False) as library:
        chunks = library.status().chunks
        questions = SyntheticLedger(chunks).questions()
        for question in questions[:WARM_UP]:
            library.search(question)
        times = []
        for question in questions[WARM_UP:]:
            started = time.perf_counter()
            library.search(question)
            times.append((time.perf_counter() - started) * 1000)
        return {
            "chunks": chunks,
            "p50_ms": statistics.median(times),
            "p95_ms": sorted(times)[int(len(times) * 0.95)],
            "resident_mb": megabytes(),
        }


def measure_recall(folder: Path) -> dict[str, float]:
    """Share of the exact ten nearest rows that the vector search finds, by the limit of the search."""
    with Library(folder, create=False) as library:
        chunks = library.status().chunks
        vectors = library._indexes.vectors
        if vectors is None:
            raise SystemExit(f"{folder} holds no vectors")
        return recall(vectors, SyntheticLedger(chunks).queries(), chunks)


def measure_request(folder: Path) -> dict[str, float]:
    """Ask a scripted model and return the milliseconds from `ask` until its server has the request."""
    command = [sys.executable, "-m", "benchmarks.scripted_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        if server.stdin is None or server.stdout is None:
            raise SystemExit("The scripted server has no pipes.")
        # Made-up questions have no answers: the judgement is made, but must not stop them here.
        settings = replace(
            load_settings(),
            model="openai:scripted",
            base_url=server.stdout.readline().strip(),
            model_threshold=0.0,
        )
        times = []
        with Library(folder, settings=settings, create=False) as library:
            for question in SyntheticLedger(library.status().chunks).questions():
                started = time.monotonic()
                library.ask(question)
                times.append((float(server.stdout.readline()) - started) * 1000)
        server.stdin.close()
    times = times[WARM_UP:]
    return {"p50_ms": statistics.median(times), "p95_ms": sorted(times)[int(len(times) * 0.95)]}


def _document(number: int, texts: list[str]) -> tuple[Document, list[Chunk]]:
    pieces: list[Chunk] = []
    start = 0
    for position, text in enumerate(texts):
        pieces.append(Chunk(position, start, start + len(text), text, context=f"Document {number} > Part"))
        start += len(text) + 1
    whole = "\n".join(texts)
    title = f"Document {number}"
    return Document(f"document{number}.txt", whole, "text/plain", title=title, language="en"), pieces


if __name__ == "__main__":
    place = Path(sys.argv[2])
    if sys.argv[1] == "build":
        result = build(place, int(sys.argv[3]))
    else:
        result = {"measure": measure, "recall": measure_recall, "request": measure_request}[sys.argv[1]](
            place
        )
    sys.stdout.write(json.dumps(result) + "\n")

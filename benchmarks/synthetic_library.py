"""A library of made-up chunks, as large as wanted, whose searches cost what real ones cost.

Words follow Zipf's law; vectors are clustered and anisotropic (see
`bench_index`). The text goes through the real ledger and both real indexes,
and the vectors stand under the fingerprint of the installed model, so a search
embeds its question with the real model.

    python -m benchmarks.synthetic_library build FOLDER 100000
    python -m benchmarks.synthetic_library measure FOLDER
    python -m benchmarks.synthetic_library recall FOLDER
"""

from __future__ import annotations

import json
import statistics
import sys
import time
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
        result = {"measure": measure, "recall": measure_recall}[sys.argv[1]](place)
    sys.stdout.write(json.dumps(result) + "\n")

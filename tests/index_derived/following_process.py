"""A process that follows a ledger, or only searches what another one has followed.

following_process.py write FOLDER    add documents and let both indexes follow, until killed
following_process.py read FOLDER     search until a line arrives on standard input, then report
"""

from __future__ import annotations

import itertools
import select
import sys
from pathlib import Path

import numpy as np

from openbook.embed import HashEmbedder
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.lexical import LexicalIndex
from openbook.index.records import FileRecord
from openbook.index.vectors import VectorIndex
from openbook.types import Chunk, Document

EMBEDDER = HashEmbedder(32)


def write(folder: Path) -> None:
    """Add, replace and remove documents without end; each becomes searchable before the next begins."""
    ledger = Ledger(folder / LEDGER_NAME, create=True)
    source = ledger.put_source("/somewhere", "folder")
    generation = ledger.open_generation(EMBEDDER.fingerprint, EMBEDDER.name, 32)
    lexical, vectors = indexes(folder, generation.id)
    for number in itertools.count():
        texts = [f"common text {number} {part}" for part in range(6)]
        whole = "\n".join(texts)
        starts = [whole.index(text) for text in texts]
        chunks = [
            Chunk(position, start, start + len(text), text)
            for position, (start, text) in enumerate(zip(starts, texts, strict=True))
        ]
        path = f"{number % 20}.txt"
        file = FileRecord(path, source.id, 1, 1, b"\1" * 16, "added")
        document = Document(path, whole, "text/plain", language="en")
        identity = ledger.put_document(source.id, document, chunks, file)
        lexical.catch_up(ledger)
        missing = ledger.missing_texts(generation.id, [identity])
        found = EMBEDDER.embed([text for _, text in missing], "document").astype(np.float16)
        ledger.put_vectors(generation.id, [key for key, _ in missing], found)
        ledger.mark_embedded(generation.id, [identity])
        vectors.catch_up(ledger)
        lexical.purge(ledger)
        print(number, flush=True)


def read(folder: Path) -> None:
    """Search in turns; print how many searches there were and how many chunks the last one found."""
    ledger = Ledger(folder / LEDGER_NAME, read_only=True)
    generation = ledger.active_generation()
    if generation is None:
        raise RuntimeError("there are no vectors yet")
    lexical, vectors = indexes(folder, generation.id)
    query = EMBEDDER.embed(["common text"], "query")[0]
    searches = 0
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        lexical.reload()
        vectors.reload()
        for index in (lexical, vectors):
            if index.note:
                raise RuntimeError(index.note)
        words = lexical.search("common text", limit=1000)
        near = vectors.search(query, limit=1000)
        # documents of six chunks enter and leave as a whole
        if not words or len(words) % 6 or not near or len(near) % 6:
            raise RuntimeError(f"{len(words)} chunks by words, {len(near)} by vectors")
        searches += 1
    print(searches, flush=True)
    ledger.close()


def indexes(folder: Path, generation_id: int) -> tuple[LexicalIndex, VectorIndex]:
    """Open both indexes."""
    vectors = VectorIndex(folder / "vectors", generation_id, 32, surroundings_weight=0.5)
    return LexicalIndex(folder / "lexical"), vectors


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))

"""Run as a script: write numbered documents into a ledger until killed, and say when each is done.

Document n of `numbered` is whole if it has n % 40 + 1 paragraphs that all name it.
Usage: python writing_process.py LEDGER [GROUP]; prints `done N` after a commit that holds document N.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from openbook.index.ledger import Ledger
from openbook.index.records import FileRecord
from openbook.types import Chunk, Document


def numbered(number: int, version: int) -> tuple[Document, list[Chunk]]:
    """Return document `number` in its `version`, with one chunk for every paragraph."""
    pieces = [
        f"document {number} version {version} paragraph {i} " + "x" * 300 for i in range(number % 40 + 1)
    ]
    chunks, start = [], 0
    for position, piece in enumerate(pieces):
        chunks.append(Chunk(position, start, start + len(piece), piece))
        start += len(piece) + 2
    return Document(f"{number}.txt", "\n\n".join(pieces), "text/plain"), chunks


def put(ledger: Ledger, source_id: int, number: int, version: int) -> None:
    """Write one numbered document."""
    document, chunks = numbered(number, version)
    record = FileRecord(document.path, source_id, len(document.text), version, b"", "added")
    ledger.put_document(source_id, document, chunks, record)


def embed(ledger: Ledger, generation_id: int) -> None:
    """Give every waiting document its vectors, in small steps."""
    while waiting := ledger.pending_documents(generation_id, 5):
        missing = [text_hash for text_hash, _ in ledger.missing_texts(generation_id, waiting)]
        ledger.put_vectors(generation_id, missing, np.ones((len(missing), 8), dtype=np.float16))
        ledger.mark_embedded(generation_id, waiting)


def main(path: Path, group: int) -> None:
    """Write for ever: documents 0 to 99 in version 0, then in version 1 …, removing some on the way."""
    with Ledger(path, create=True) as ledger:
        source = ledger.put_source("/numbered", "folder")
        generation = ledger.open_generation("fp", "ones", 8)
        version = 0
        while True:
            for first in range(0, 100, group):
                with ledger.transaction():
                    for number in range(first, first + group):
                        put(ledger, source.id, number, version)
                print(f"done {first + group - 1} {version}", flush=True)
                embed(ledger, generation.id)
            ledger.remove_documents(
                [record.id for record in ledger.find_documents("*7.txt")], forget_vectors=True
            )
            ledger.checkpoint()
            version += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)

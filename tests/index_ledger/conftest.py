"""A ledger on real files, with a small way to fill it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.records import FileRecord, Generation
from openbook.types import Chunk, Document, Scalar


class Shelf:
    """A ledger with one source, whose documents have a chunk for every paragraph."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger(folder / LEDGER_NAME, create=True)
        self.source = self.ledger.put_source("/somewhere", "folder")

    def reopen(self) -> Ledger:
        """Close the ledger and open it again."""
        self.ledger.close()
        self.ledger = Ledger(self.folder / LEDGER_NAME)
        return self.ledger

    def put(self, path: str, text: str, **facts: str | Mapping[str, Scalar]) -> int:
        """Add or replace a document; `facts` may hold title, language and metadata."""
        document = Document(path=path, text=text, media_type="text/plain", **facts)  # type: ignore[arg-type]
        return self.ledger.put_document(self.source.id, document, paragraphs(document), self.file(path))

    def file(self, path: str, *, outcome: str = "added", reason: str = "") -> FileRecord:
        """Return a plausible file record."""
        return FileRecord(
            path=path,
            source_id=self.source.id,
            size=len(path),
            mtime_ns=1_700_000_000_000_000_000,
            content_hash=blake2b(path.encode(), digest_size=16).digest(),
            outcome=outcome,  # type: ignore[arg-type]
            reason=reason,
            checked_at="2024-05-01T12:00:00Z",
        )

    def embed(self, generation: Generation) -> int:
        """Give every document of the generation its vectors; return how many texts were new."""
        new = 0
        while waiting := self.ledger.pending_documents(generation.id, 3):
            missing = self.ledger.missing_texts(generation.id, waiting)
            hashes = [text_hash for text_hash, _ in missing]
            self.ledger.put_vectors(generation.id, hashes, vectors_of(hashes, generation.dimension))
            self.ledger.mark_embedded(generation.id, waiting)
            new += len(missing)
        return new


def paragraphs(document: Document) -> list[Chunk]:
    """Cut a document at blank lines; the title is the context, the paragraph's number the page."""
    chunks: list[Chunk] = []
    start = 0
    for piece in document.text.split("\n\n"):
        if piece:
            number = len(chunks)
            chunks.append(
                Chunk(
                    position=number,
                    start=start,
                    end=start + len(piece),
                    text=piece,
                    context=document.title,
                    heading=f"Part {number}",
                    page=number + 1,
                    place=f"p. {number + 1}",
                )
            )
        start += len(piece) + 2
    return chunks


def vectors_of(hashes: list[bytes], dimension: int) -> NDArray[np.float16]:
    """Return a vector for each hash that depends on nothing else."""
    rows = [np.frombuffer(blake2b(h, digest_size=dimension).digest(), dtype=np.uint8) for h in hashes]
    return (np.array(rows, dtype=np.float16).reshape(-1, dimension) - 128) / np.float16(256)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """An empty ledger, closed at the end."""
    made = Shelf(tmp_path / "library")
    yield made
    made.ledger.close()

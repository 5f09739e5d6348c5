"""A ledger on real files with a small way to fill it, and vectors that depend on the text alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from openbook.embed import HashEmbedder
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.lexical import LexicalIndex
from openbook.index.records import FileRecord, Generation
from openbook.index.vectors import VectorIndex
from openbook.types import Chunk, Document

DIMENSION = 96


class Shelf:
    """A library's ledger with one source and one generation of vectors."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.ledger = Ledger(folder / LEDGER_NAME, create=True)
        self.source = self.ledger.put_source("/somewhere", "folder")
        self.embedder = HashEmbedder(DIMENSION)

    @property
    def generation(self) -> Generation:
        """The one generation of vectors."""
        return self.ledger.open_generation(self.embedder.fingerprint, self.embedder.name, DIMENSION)

    def put(self, path: str, texts: Sequence[str], language: str = "en", context: str = "") -> list[int]:
        """Add or replace a document with a chunk for each text; return the chunks' ids."""
        chunks, start = [], 0
        for position, text in enumerate(texts):
            chunks.append(Chunk(position, start, start + len(text), text, context))
            start += len(text) + 1
        document = Document(path, "\n".join(texts), "text/plain", language=language)
        file = FileRecord(path, self.source.id, 1, 1, path.encode(), "added")
        identity = self.ledger.put_document(self.source.id, document, chunks, file)
        return [chunk.id for chunk in self.ledger.document_chunks(identity)]

    def remove(self, *paths: str) -> None:
        """Remove documents by path."""
        found = [record.id for record in self.ledger.documents() if record.path in paths]
        self.ledger.remove_documents(found, forget_vectors=True)

    def embed(self) -> None:
        """Give every document its vectors."""
        generation = self.generation
        while waiting := self.ledger.pending_documents(generation.id, 100):
            missing = self.ledger.missing_texts(generation.id, waiting)
            if missing:
                vectors = self.vectors_of([text for _, text in missing])
                self.ledger.put_vectors(generation.id, [key for key, _ in missing], vectors)
            self.ledger.mark_embedded(generation.id, waiting)

    def vectors_of(self, texts: Sequence[str]) -> NDArray[np.float16]:
        """Return the vectors of texts as the ledger keeps them."""
        return self.embedder.embed(texts, "document").astype(np.float16)

    def query(self, text: str) -> NDArray[np.float32]:
        """Return the unit vector of a question."""
        vector: NDArray[np.float32] = self.embedder.embed([text], "query")[0]
        return vector

    def lexical(self) -> LexicalIndex:
        """Open the word index."""
        return LexicalIndex(self.folder / "lexical")

    def vectors(self, weight: float = 0.0) -> VectorIndex:
        """Open the vector index."""
        return VectorIndex(self.folder / "vectors", self.generation.id, DIMENSION, surroundings_weight=weight)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """An empty library."""
    made = Shelf(tmp_path / "library")
    yield made
    made.ledger.close()

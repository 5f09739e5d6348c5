"""RAGLite with what it documents for local use: DuckDB, a GGUF embedder, hybrid search.

Its sentences come from one model of the hub and its vectors from another, so
without a hub indexing fails; the harness reports how.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchmarks.peers.adapters.speaking import Found, Rebuilding, serve, texts_of


class Local(Rebuilding):
    """`insert_documents` and `hybrid_search`."""

    def load(self) -> None:
        """Import it. Its data goes where the results go."""
        os.environ.setdefault("XDG_DATA_HOME", str(Path.cwd()))
        import raglite

        self._raglite: Any = raglite

    def index(self, corpus: Path, store: Path) -> None:
        """Insert every text as a document."""
        self.open(store)
        documents = [
            self._raglite.Document.from_text(text, id=name, filename=name) for name, text in texts_of(corpus)
        ]
        self._raglite.insert_documents(documents, config=self._config)

    def open(self, store: Path) -> None:
        """A database in the store."""
        self._config = self._raglite.RAGLiteConfig(db_url=f"duckdb:///{store / 'raglite.db'}", reranker=None)

    def search(self, question: str, k: int) -> Found:
        """Hybrid search without reranking."""
        ids, _ = self._raglite.hybrid_search(question, num_results=k, config=self._config)
        chunks = self._raglite.retrieve_chunks(ids, config=self._config)
        return [(str(chunk.document_id), str(chunk.body)) for chunk in chunks]

    def again(self, folder: Path) -> str:
        """Documents whose content is there already are skipped."""
        documents = [
            self._raglite.Document.from_text(text, id=name, filename=name) for name, text in texts_of(folder)
        ]
        self._raglite.insert_documents(documents, config=self._config)
        return "`insert_documents`; known documents are skipped"

    def chunks(self) -> int:
        """Not told by its interface."""
        return 0


if __name__ == "__main__":
    serve(Local)

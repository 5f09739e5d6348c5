"""LangChain with Chroma: load, cut, embed, `Chroma.from_documents`, `similarity_search`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.adapters.langchain_chunks import WAY, Following, chunks_of, embedder
from benchmarks.peers.adapters.speaking import Found, serve


class WithChroma:
    """The recipe of most tutorials, with a folder to persist to."""

    def load(self) -> None:
        """Import everything and load the model."""
        from langchain_chroma import Chroma

        self._chroma: Any = Chroma
        self._embedder = embedder()

    def index(self, corpus: Path, store: Path) -> None:
        """Embed into a collection in `store`."""
        self._store = store
        chunks = chunks_of(corpus)
        self._vectors = self._chroma.from_documents(chunks, self._embedder, persist_directory=str(store))
        self._following: Following | None = None

    def open(self, store: Path) -> None:
        """Open the collection."""
        self._vectors = self._chroma(persist_directory=str(store), embedding_function=self._embedder)

    def search(self, question: str, k: int) -> Found:
        """`similarity_search`."""
        found = self._vectors.similarity_search(question, k=k)
        return [(document.metadata["source"], document.page_content) for document in found]

    def begin_following(self, folder: Path) -> None:
        """Index once more through the indexing API, which knows only what went through it."""
        self._vectors = self._chroma(
            collection_name="followed", persist_directory=str(self._store), embedding_function=self._embedder
        )
        self._following = Following(self._store, self._vectors)
        self._following.follow(folder)

    def again(self, folder: Path) -> str:
        """The indexing API."""
        assert self._following is not None
        self._following.follow(folder)
        return WAY

    def changed(self, folder: Path, file: str) -> str:
        """The indexing API."""
        return self.again(folder)

    def deleted(self, folder: Path, file: str) -> str:
        """The indexing API."""
        return self.again(folder)

    def chunks(self) -> int:
        """Vectors in the collection."""
        return int(self._vectors._collection.count())


if __name__ == "__main__":
    serve(WithChroma)

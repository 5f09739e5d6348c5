"""LangChain's ensemble retriever: BM25 and FAISS over the same chunks, half the weight each."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from benchmarks.peers.adapters.langchain_chunks import WAY, Following, chunks_of, embedder
from benchmarks.peers.adapters.speaking import Found, serve


class WithEnsemble:
    """`EnsembleRetriever(weights=[0.5, 0.5])` as its documentation has it."""

    def load(self) -> None:
        """Import everything and load the model."""
        from langchain_classic.retrievers import EnsembleRetriever
        from langchain_community.retrievers import BM25Retriever
        from langchain_community.vectorstores import FAISS

        self._ensemble: Any = EnsembleRetriever
        self._bm25: Any = BM25Retriever
        self._faiss: Any = FAISS
        self._embedder = embedder()

    def index(self, corpus: Path, store: Path) -> None:
        """Build both; FAISS is written as it writes itself, the chunks as a pickle, for BM25."""
        self._store = store
        self._chunks = chunks_of(corpus)
        self._vectors = self._faiss.from_documents(self._chunks, self._embedder)
        self._words = self._bm25.from_documents(self._chunks)
        self._vectors.save_local(str(store / "faiss"))
        with (store / "chunks.pickle").open("wb") as stream:
            pickle.dump(self._chunks, stream)
        self._following: Following | None = None

    def open(self, store: Path) -> None:
        """Load FAISS, and build BM25 again: it cannot be stored."""
        self._vectors = self._faiss.load_local(
            str(store / "faiss"), self._embedder, allow_dangerous_deserialization=True
        )
        with (store / "chunks.pickle").open("rb") as stream:
            self._chunks = pickle.load(stream)
        self._words = self._bm25.from_documents(self._chunks)

    def search(self, question: str, k: int) -> Found:
        """Both legs are asked for k."""
        self._words.k = k
        vectors = self._vectors.as_retriever(search_kwargs={"k": k})
        found = self._ensemble(retrievers=[self._words, vectors], weights=[0.5, 0.5]).invoke(question)
        return [(document.metadata["source"], document.page_content) for document in found[:k]]

    def begin_following(self, folder: Path) -> None:
        """Index once more through the indexing API, which knows only what went through it."""
        self._vectors.delete(list(self._vectors.index_to_docstore_id.values()))
        self._following = Following(self._store, self._vectors)
        self._following.follow(folder)

    def again(self, folder: Path) -> str:
        """The indexing API for FAISS; BM25 is built again."""
        assert self._following is not None
        self._chunks = self._following.follow(folder)
        self._words = self._bm25.from_documents(self._chunks)
        return f"{WAY}; `BM25Retriever` is built again"

    def changed(self, folder: Path, file: str) -> str:
        """The same."""
        return self.again(folder)

    def deleted(self, folder: Path, file: str) -> str:
        """The same."""
        return self.again(folder)

    def chunks(self) -> int:
        """Chunks in both."""
        return len(self._chunks)


if __name__ == "__main__":
    serve(WithEnsemble)

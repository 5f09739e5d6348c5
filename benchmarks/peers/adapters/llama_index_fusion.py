"""LlamaIndex with its fusion retriever: the default index and BM25, joined by reciprocal ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.adapters.llama_index_vectors import Vectors
from benchmarks.peers.adapters.speaking import Found, serve


class Fusion(Vectors):
    """`QueryFusionRetriever` as its example has it, without a language model that varies the question."""

    def load(self) -> None:
        """Import the retrievers too."""
        super().load()
        from llama_index.core.retrievers import QueryFusionRetriever
        from llama_index.retrievers.bm25 import BM25Retriever

        self._fusion: Any = QueryFusionRetriever
        self._bm25: Any = BM25Retriever

    def index(self, corpus: Path, store: Path) -> None:
        """Index the words as well."""
        super().index(corpus, store)
        self._index_words()
        self._words.persist(str(store / "bm25"))

    def _index_words(self) -> None:
        self._words = self._bm25.from_defaults(docstore=self._index.docstore, similarity_top_k=2)

    def open(self, store: Path) -> None:
        """Read both."""
        super().open(store)
        self._words = self._bm25.from_persist_dir(str(store / "bm25"))

    def search(self, question: str, k: int) -> Found:
        """Both legs are asked for k."""
        self._words.similarity_top_k = min(k, self.chunks())
        retriever = self._fusion(
            [self._index.as_retriever(similarity_top_k=k), self._words],
            similarity_top_k=k, num_queries=1, mode="reciprocal_rerank", use_async=False,
        )  # fmt: skip
        return self._named(retriever.retrieve(question))

    def again(self, folder: Path) -> str:
        """The words are indexed again as a whole."""
        way = super().again(folder)
        self._index_words()
        return f"{way}; `BM25Retriever` is built again"

    def deleted(self, folder: Path, file: str) -> str:
        """The same."""
        way = super().deleted(folder, file)
        self._index_words()
        return f"{way}; `BM25Retriever` is built again"


if __name__ == "__main__":
    serve(Fusion)

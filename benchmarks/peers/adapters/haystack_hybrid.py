"""Haystack in memory: BM25 and vectors in one document store, joined by reciprocal ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.adapters import shared_vectors
from benchmarks.peers.adapters.speaking import Found, Rebuilding, model_folder, passages, serve


class Hybrid(Rebuilding):
    """The pipelines of its hybrid tutorial, without the cross-encoder at the end."""

    def load(self) -> None:
        """Import it and load the model into the two embedders."""
        from haystack.document_stores.in_memory import InMemoryDocumentStore
        from haystack.utils import ComponentDevice
        from haystack_integrations.components.embedders import sentence_transformers as embedders

        shared_vectors.share()
        options = {"model": model_folder(), "device": ComponentDevice.from_str("cpu"), "progress_bar": False}
        self._document_embedder = embedders.SentenceTransformersDocumentEmbedder(**options)
        self._question_embedder = embedders.SentenceTransformersTextEmbedder(**options)
        for embedder in (self._document_embedder, self._question_embedder):
            embedder.warm_up()
        self._store_class: Any = InMemoryDocumentStore

    def index(self, corpus: Path, store: Path) -> None:
        """Convert, split, embed, write; then save to disk."""
        self._documents = self._store_class()
        self._write(corpus)
        self._documents.save_to_disk(str(store / "documents.json"))
        self._retrieving = self._retrieval()

    def _write(self, corpus: Path) -> None:
        from haystack import Document, Pipeline
        from haystack.components.preprocessors import DocumentSplitter
        from haystack.components.writers import DocumentWriter
        from haystack.document_stores.types import DuplicatePolicy

        if corpus.is_dir():
            documents = _converted(sorted(path for path in corpus.rglob("*") if path.is_file()), corpus)
        else:
            documents = [Document(content=text, meta={"name": name}) for name, text in passages(corpus)]
        indexing = Pipeline()
        splitter = DocumentSplitter(split_by="word", split_length=512, split_overlap=32)
        indexing.add_component("splitter", splitter)
        indexing.add_component("embedder", self._document_embedder)
        indexing.add_component("writer", DocumentWriter(self._documents, policy=DuplicatePolicy.SKIP))
        indexing.connect("splitter", "embedder")
        indexing.connect("embedder", "writer")
        indexing.run({"splitter": {"documents": documents}})
        # A component belongs to one pipeline; the next change makes another one.
        indexing.remove_component("embedder")

    def _retrieval(self) -> Any:
        from haystack import Pipeline
        from haystack.components.joiners import DocumentJoiner
        from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever

        retrieving = Pipeline()
        retrieving.add_component("embedder", self._question_embedder)
        retrieving.add_component("vectors", InMemoryEmbeddingRetriever(self._documents))
        retrieving.add_component("words", InMemoryBM25Retriever(self._documents))
        retrieving.add_component("joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion"))
        retrieving.connect("embedder.embedding", "vectors.query_embedding")
        retrieving.connect("vectors", "joiner")
        retrieving.connect("words", "joiner")
        return retrieving

    def open(self, store: Path) -> None:
        """Load the document store."""
        self._documents = self._store_class.load_from_disk(str(store / "documents.json"))
        self._retrieving = self._retrieval()

    def search(self, question: str, k: int) -> Found:
        """Both legs are asked for k."""
        found = self._retrieving.run(
            {
                "embedder": {"text": question},
                "vectors": {"top_k": k},
                "words": {"query": question, "top_k": k},
                "joiner": {"top_k": k},
            }
        )
        return [(hit.meta["name"], hit.content) for hit in found["joiner"]["documents"]]

    def changed(self, folder: Path, file: str) -> str:
        """What is of the old file goes, and the new one runs through the pipeline."""
        self.deleted(folder, file)
        self._write_file(folder / file, folder)
        return "`delete_by_filter` of the file, then the pipeline for it; it must be told which file"

    def _write_file(self, path: Path, folder: Path) -> None:
        from haystack.components.preprocessors import DocumentSplitter

        splitter = DocumentSplitter(split_by="word", split_length=512, split_overlap=32)
        pieces = splitter.run(documents=_converted([path], folder))["documents"]
        self._documents.write_documents(self._document_embedder.run(documents=pieces)["documents"])

    def deleted(self, folder: Path, file: str) -> str:
        """What is of the file goes."""
        self._documents.delete_by_filter({"field": "meta.name", "operator": "==", "value": file})
        return "`delete_by_filter` of the file; it must be told which file"

    def chunks(self) -> int:
        """Documents in the store."""
        return int(self._documents.count_documents())


def _converted(paths: list[Path], folder: Path) -> list[Any]:
    """Files as documents that know their name within the folder."""
    from haystack.components.converters import TextFileToDocument

    meta = [{"name": str(path.relative_to(folder))} for path in paths]
    return list(TextFileToDocument().run(sources=paths, meta=meta)["documents"])


if __name__ == "__main__":
    serve(Hybrid)

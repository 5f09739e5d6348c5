"""LlamaIndex as it comes: `VectorStoreIndex` in memory with the default splitter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.adapters import shared_vectors
from benchmarks.peers.adapters.speaking import Found, Rebuilding, model_folder, passages, serve


class Vectors(Rebuilding):
    """The index of its first tutorial, with a local embedder."""

    def load(self) -> None:
        """Import it and load the model."""
        from llama_index import core
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        shared_vectors.share()
        self._core: Any = core
        self._core.Settings.embed_model = HuggingFaceEmbedding(model_name=model_folder(), device="cpu")
        self._core.Settings.llm = None

    def index(self, corpus: Path, store: Path) -> None:
        """Index in memory, then write it as `persist` does."""
        self._index = self._core.VectorStoreIndex.from_documents(self._documents(corpus))
        self._index.storage_context.persist(str(store))

    def open(self, store: Path) -> None:
        """Read what `persist` wrote."""
        context = self._core.StorageContext.from_defaults(persist_dir=str(store))
        self._index = self._core.load_index_from_storage(context)

    def _documents(self, corpus: Path) -> list[Any]:
        if not corpus.is_dir():
            return [self._core.Document(text=text, id_=name) for name, text in passages(corpus)]
        self._folder = corpus
        # It takes every file for hidden that lies below a folder such as ~/.cache.
        reader = self._core.SimpleDirectoryReader(
            str(corpus), recursive=True, filename_as_id=True, exclude_hidden=False
        )
        return list(reader.load_data())

    def search(self, question: str, k: int) -> Found:
        """The retriever of the index."""
        return self._named(self._index.as_retriever(similarity_top_k=k).retrieve(question))

    def _named(self, found: list[Any]) -> Found:
        names = [
            str(Path(path).relative_to(self._folder)) if (path := hit.node.metadata.get("file_path")) else
            str(hit.node.ref_doc_id)
            for hit in found
        ]  # fmt: skip
        return [(name, hit.node.get_content()) for name, hit in zip(names, found, strict=True)]

    def again(self, folder: Path) -> str:
        """Load everything, and let the index compare."""
        self._index.refresh_ref_docs(self._documents(folder))
        return "`refresh_ref_docs`; it finds out itself what changed, but not what is gone"

    def changed(self, folder: Path, file: str) -> str:
        """The same."""
        return self.again(folder)

    def deleted(self, folder: Path, file: str) -> str:
        """It must be told."""
        self._index.delete_ref_doc(str(folder / file), delete_from_docstore=True)
        return "`delete_ref_doc`; it must be told which file"

    def chunks(self) -> int:
        """Nodes."""
        return len(self._index.docstore.docs)


if __name__ == "__main__":
    serve(Vectors)

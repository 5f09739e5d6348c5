"""What both LangChain adapters share: loading, cutting, the embedder, and the indexing API for changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.adapters import shared_vectors
from benchmarks.peers.adapters.speaking import model_folder, passages


def embedder() -> Any:
    """The embedder that the tutorials use with local models."""
    from langchain_huggingface import HuggingFaceEmbeddings

    shared_vectors.share()
    return HuggingFaceEmbeddings(model_name=model_folder(), model_kwargs={"device": "cpu"})


def chunks_of(corpus: Path) -> list[Any]:
    """Load a corpus and cut it into chunks of 1,000 characters without overlap."""
    from langchain_community.document_loaders import DirectoryLoader, TextLoader
    from langchain_core.documents import Document
    from langchain_text_splitters import CharacterTextSplitter

    if corpus.is_dir():
        loader = DirectoryLoader(
            str(corpus), glob="**/*", loader_cls=TextLoader, loader_kwargs={"encoding": "utf-8"}
        )
        documents = loader.load()
        for document in documents:
            document.metadata["source"] = str(Path(document.metadata["source"]).relative_to(corpus))
    else:
        documents = [Document(text, metadata={"source": name}) for name, text in passages(corpus)]
    return list(CharacterTextSplitter(chunk_size=1000, chunk_overlap=0).split_documents(documents))


class Following:
    """The indexing API over a vector store: a record manager remembers what is in it."""

    def __init__(self, store: Path, vectors: Any) -> None:
        from langchain_classic.indexes import SQLRecordManager

        self._vectors = vectors
        self._records = SQLRecordManager("corpus", db_url=f"sqlite:///{store / 'records.sqlite'}")
        self._records.create_schema()

    def follow(self, folder: Path) -> list[Any]:
        """Bring the vector store in line with a folder, and return all chunks."""
        from langchain_core.indexing import index

        chunks = chunks_of(folder)
        index(
            chunks, self._records, self._vectors,
            cleanup="full", source_id_key="source", key_encoder="blake2b",
        )  # fmt: skip
        return chunks


WAY = '`index(…, cleanup="full")` with a record manager; it finds out itself what changed'

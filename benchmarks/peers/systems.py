"""The systems that are compared, and what a reader must know about how each was used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

HERE: Final = Path(__file__).parent
Kind = Literal["ours", "peer", "limit"]


@dataclass(frozen=True, slots=True)
class System:
    """One system.

    `recipe` says in words what was run, `imports` are the modules that its
    recipe imports, `note` what was not comparable. `measures` are the names of
    measurements that apply (see `plan`).
    """

    name: str
    title: str
    kind: Kind
    adapter: str
    imports: tuple[str, ...]
    recipe: str
    torch: bool = True
    note: str = ""
    ranks: bool = True
    """Whether its ranking is worth measuring on whole collections."""

    @property
    def requirements(self) -> Path:
        """The file with its pinned packages."""
        return HERE / "requirements" / f"{self.name}.txt"


SYSTEMS: Final = (
    System(
        "openbook",
        "openbook",
        "ours",
        "openbook_library",
        ("openbook.library", "openbook.retrieve"),
        "`Library.add(folder)`, `Library.search(question)`; the default settings (int8 model, hybrid).",
        torch=False,
    ),
    System(
        "langchain-chroma",
        "LangChain + Chroma",
        "peer",
        "langchain_with_chroma",
        ("langchain_chroma", "langchain_community.document_loaders", "langchain_huggingface"),
        "`DirectoryLoader` with `TextLoader`, `CharacterTextSplitter(chunk_size=1000, chunk_overlap=0)`, "
        "`HuggingFaceEmbeddings`, `Chroma.from_documents(persist_directory=…)`, `similarity_search`; "
        'changes through its indexing API (`index(…, cleanup="full")` with a record manager).',
    ),
    System(
        "langchain-ensemble",
        "LangChain ensemble",
        "peer",
        "langchain_with_ensemble",
        ("langchain_classic.retrievers", "langchain_community.retrievers", "langchain_huggingface"),
        "The same chunks in `BM25Retriever` and `FAISS`, joined by `EnsembleRetriever(weights=[0.5, 0.5])`.",
        note="`BM25Retriever` cannot be stored: opening an index builds it again from the stored chunks.",
    ),
    System(
        "llama-index",
        "LlamaIndex",
        "peer",
        "llama_index_vectors",
        ("llama_index.core", "llama_index.embeddings.huggingface"),
        "`SimpleDirectoryReader`, `VectorStoreIndex.from_documents` with the default splitter (1,024 tokens) "
        "in memory, `as_retriever`; changes through `refresh_ref_docs` and `delete_ref_doc`.",
        note="A chunk of 1,024 tokens is longer than the 256 that the model reads; the rest is not embedded.",
    ),
    System(
        "llama-index-fusion",
        "LlamaIndex fusion",
        "peer",
        "llama_index_fusion",
        ("llama_index.core", "llama_index.embeddings.huggingface", "llama_index.retrievers.bm25"),
        "The same index and `BM25Retriever.from_defaults`, joined by `QueryFusionRetriever(num_queries=1, "
        'mode="reciprocal_rerank")`.',
        note="The words are indexed again as a whole after each change.",
    ),
    System(
        "haystack",
        "Haystack hybrid",
        "peer",
        "haystack_hybrid",
        (
            "haystack.components.joiners",
            "haystack.components.retrievers.in_memory",
            "haystack_integrations.components.embedders.sentence_transformers",
        ),
        '`TextFileToDocument`, `DocumentSplitter(split_by="word", split_length=512, split_overlap=32)`, '
        "`SentenceTransformersDocumentEmbedder`, `InMemoryDocumentStore`; `InMemoryBM25Retriever` and "
        '`InMemoryEmbeddingRetriever`, joined by `DocumentJoiner(join_mode="reciprocal_rank_fusion")`.',
        note="The cross-encoder at the end of its hybrid tutorial is another model, and is left out.",
    ),
    System(
        "txtai",
        "txtai hybrid",
        "peer",
        "txtai_hybrid",
        ("txtai",),
        "`Embeddings(path=…, hybrid=True, content=True)`, one row a passage; files in pieces of 1,000 "
        "characters; changes through `upsert` and `delete`.",
        note="It must be told which rows changed.",
    ),
    System(
        "raglite",
        "RAGLite",
        "peer",
        "raglite_local",
        ("raglite",),
        "`insert_documents` into DuckDB with its default local embedder, `hybrid_search`.",
        torch=False,
        note="It takes no local model of the others' kind: its vectors are of a GGUF model and its sentences "
        "of a second one, both fetched from a model hub when they are first needed.",
    ),
    System(
        "bm25s",
        "bm25s (words alone)",
        "limit",
        "bm25s_words",
        ("bm25s", "Stemmer"),
        "Lucene BM25, k1 1.2, b 0.75, English stop words, Snowball stems; whole passages.",
        torch=False,
    ),
    System(
        "faiss",
        "faiss flat (vectors alone)",
        "limit",
        "faiss_flat",
        ("faiss", "sentence_transformers"),
        "sentence-transformers and `IndexFlatIP`; whole passages, cut off at 256 tokens.",
    ),
    System(
        "onnxruntime",
        "ONNX Runtime alone (openbook's model file)",
        "limit",
        "onnxruntime_alone",
        ("onnxruntime", "tokenizers", "numpy"),
        "openbook's int8 file and tokenizer, one text at a time on each core, one product of matrices.",
        torch=False,
        ranks=False,
    ),
)  # fmt: skip


def named(names: list[str]) -> list[System]:
    """The systems with these names; all of them for none. Raises SystemExit for an unknown name."""
    known = {system.name: system for system in SYSTEMS}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"Unknown system {unknown[0]!r}; expected one of {', '.join(known)}.")
    return [known[name] for name in names] if names else list(SYSTEMS)

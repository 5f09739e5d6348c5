"""Laws of the derived indexes: however they came to a state of the ledger, they find the same."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TypeAlias

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from openbook.embed import HashEmbedder
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.lexical import LexicalIndex
from openbook.index.records import FileRecord
from openbook.index.surroundings import mix
from openbook.index.vectors import VectorIndex
from openbook.types import Chunk, Document

Step: TypeAlias = tuple[str, int, list[str]]

EMBEDDER = HashEmbedder(32)
WORDS = ["join", "joins", "table", "two", "the", "猫が好き", "read_csv", "Straße", "naïve"]
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put", "remove", "embed", "catch up", "purge"]),
        st.integers(0, 4),
        st.lists(TEXTS, min_size=1, max_size=7),
    ),
    max_size=14,
)
QUESTIONS = ["join table", "the two", "猫", "read_csv", "strasse naive"]


class Library:
    """A ledger and its two indexes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger(folder / LEDGER_NAME, create=True)
        self.source = self.ledger.put_source("/somewhere", "folder")
        self.generation = self.ledger.open_generation(EMBEDDER.fingerprint, EMBEDDER.name, 32)
        self.lexical, self.vectors = self.indexes("followed")

    def indexes(self, name: str) -> tuple[LexicalIndex, VectorIndex]:
        """Open indexes in folders of this name."""
        vectors = VectorIndex(self.folder / f"{name}-v", self.generation.id, 32, surroundings_weight=0.5)
        return LexicalIndex(self.folder / f"{name}-l"), vectors

    def do(self, step: Step) -> None:
        """Change the ledger, or let the indexes follow it."""
        action, number, texts = step
        path = f"{number}.txt"
        if action == "put":
            self.put(path, texts)
        elif action == "remove":
            self.ledger.remove_documents([d.id for d in self.ledger.documents() if d.path == path])
        elif action == "embed":
            self.embed()
        elif action == "catch up":
            self.lexical.catch_up(self.ledger)
            self.vectors.catch_up(self.ledger)
        else:
            self.lexical.purge(self.ledger)
            self.vectors.purge()

    def put(self, path: str, texts: list[str]) -> None:
        """Add or replace a document with a chunk for each text."""
        chunks, start = [], 0
        for position, text in enumerate(texts):
            chunks.append(Chunk(position, start, start + len(text), text))
            start += len(text) + 1
        document = Document(path, "\n".join(texts), "text/plain", language="en")
        file = FileRecord(path, self.source.id, 1, 1, b"\1" * 16, "added")
        self.ledger.put_document(self.source.id, document, chunks, file)

    def embed(self) -> None:
        """Give every document its vectors."""
        waiting = self.ledger.pending_documents(self.generation.id, 100)
        missing = self.ledger.missing_texts(self.generation.id, waiting)
        if missing:
            vectors = EMBEDDER.embed([text for _, text in missing], "document").astype(np.float16)
            self.ledger.put_vectors(self.generation.id, [key for key, _ in missing], vectors)
        self.ledger.mark_embedded(self.generation.id, waiting)


@given(STEPS)
@settings(max_examples=25)
def test_an_index_that_followed_equals_one_that_was_built(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        library = Library(Path(folder))
        for step in [*steps, ("catch up", 0, []), ("purge", 0, [])]:
            library.do(step)
        lexical, vectors = library.indexes("built")
        lexical.rebuild(library.ledger)
        vectors.rebuild(library.ledger)
        assert library.lexical.check(library.ledger) == []
        assert library.vectors.check(library.ledger) == []
        for question in QUESTIONS:
            assert library.lexical.search(question, limit=50) == lexical.search(question, limit=50)
            query = EMBEDDER.embed([question], "query")[0]
            assert library.vectors.search(query, limit=50) == vectors.search(query, limit=50)
        library.ledger.close()


@given(STEPS, st.data())
@settings(max_examples=20)
def test_a_filter_leaves_what_it_allows(steps: list[Step], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        library = Library(Path(folder))
        for step in [*steps, ("embed", 0, []), ("catch up", 0, [])]:
            library.do(step)
        ids = library.ledger.select_chunk_ids(()).tolist()
        allowed = sorted(data.draw(st.sets(st.sampled_from(ids))) if ids else [])
        within = np.array(allowed, dtype=np.int64)
        question = data.draw(st.sampled_from(QUESTIONS))
        query = EMBEDDER.embed([question], "query")[0]
        words = library.lexical.search(question, limit=500)
        near = library.vectors.search(query, limit=500)
        assert library.lexical.search(question, limit=500, within=within) == [
            h for h in words if h[0] in allowed
        ]
        assert library.vectors.search(query, limit=500, within=within) == [h for h in near if h[0] in allowed]
        assert library.lexical.scores(question, ids) == dict(words)
        assert library.vectors.cosines(query, ids) == dict(near)
        library.ledger.close()


@given(st.integers(1, 12), st.floats(0, 2), st.integers(0, 100))
def test_mixing_keeps_unit_length_and_the_order_of_reading_is_no_matter(
    count: int, weight: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((count, 24))
    rows = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    mixed = mix(rows, weight)
    assert np.allclose(np.linalg.norm(mixed.astype(np.float32), axis=1), 1, atol=2e-3)
    assert np.array_equal(mix(rows[::-1], weight), mixed[::-1])

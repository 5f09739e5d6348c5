"""Laws of the ledger: what is saved is loaded, and added then removed equals never added."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.ledger_chunks import batches_by_size
from openbook.index.records import FileRecord
from openbook.index.where import Condition, parse_where
from openbook.types import Chunk, Document, Mark, Scalar

WORDS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
TEXTS = st.lists(
    st.sampled_from(["", "a", "é", "漢字", "\0", "\n\n", "👩‍👩‍👧", "x" * 5000]) | WORDS, max_size=8
).map("".join)
SCALARS = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS
PATHS = st.sampled_from(["a.txt", "b/a.txt", "b/c.md", "ü.txt"])


@st.composite
def documents(draw: st.DrawFn) -> tuple[Document, list[Chunk]]:
    """A document with chunks and marks anywhere, overlapping ones included."""
    text = draw(TEXTS)
    places = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).map(sorted)
    spans = draw(st.lists(places, max_size=6))
    chunks = [
        Chunk(
            number, start, end, text[start:end], draw(WORDS), draw(WORDS), draw(st.none() | st.integers(1, 9))
        )
        for number, (start, end) in enumerate(spans)
    ]
    marks = tuple(
        Mark("page", start, end, draw(WORDS), 1) for start, end in draw(st.lists(places, max_size=3))
    )
    metadata: Mapping[str, Scalar] = draw(st.dictionaries(WORDS, SCALARS, max_size=3))
    return Document(draw(PATHS), text, "text/plain", draw(WORDS), "en", marks, metadata), chunks


def record_of(document: Document, source_id: int) -> FileRecord:
    """A file record that depends on the document alone."""
    return FileRecord(document.path, source_id, len(document.text), 1, b"\1" * 16, "added")


def dump(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in a ledger that is not history: neither ids, times, nor the log of changes."""
    queries = {
        "documents": "SELECT s.root, d.path, d.title, d.characters, d.chunks, d.metadata, d.marks "
        "FROM documents d JOIN sources s ON s.id = d.source_id",
        "blocks": "SELECT d.path, b.number, b.text FROM blocks b JOIN documents d ON d.id = b.document_id",
        "chunks": 'SELECT d.path, c.position, c.start, c."end", c.context, c.heading, c.page, c.text_hash '
        "FROM chunks c JOIN documents d ON d.id = c.document_id",
        "files": "SELECT path, size, outcome, document_id IS NULL FROM files",
        "vectors": "SELECT generation_id, text_hash, vector FROM vectors",
        "pending": "SELECT p.generation_id, d.path, p.chunks FROM pending p "
        "JOIN documents d ON d.id = p.document_id",
    }
    with closing(sqlite3.connect(path)) as connection:
        return {
            name: sorted(connection.execute(query).fetchall(), key=repr) for name, query in queries.items()
        }


@given(documents())
@settings(deadline=None, max_examples=60)
def test_save_then_load_changes_nothing(given_document: tuple[Document, list[Chunk]]) -> None:
    document, chunks = given_document
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / LEDGER_NAME, create=True) as ledger:
        source = ledger.put_source("/", "memory")
        identity = ledger.put_document(source.id, document, chunks, record_of(document, source.id))
        assert ledger.document(identity) == document
        stored = ledger.document_chunks(identity)
        assert list(ledger.chunks([record.id for record in stored]).values()) == stored
        assert [
            Chunk(r.position, r.start, r.end, r.text, r.context, r.heading, r.page, r.place) for r in stored
        ] == chunks
        ((_, _, rows),) = ledger.iterate_texts([identity])
        assert [(context, text) for _, context, text in rows] == [(c.context, c.text) for c in chunks]
        assert ledger.check() == []


class LedgerMachine(RuleBasedStateMachine):
    """Two ledgers: one lives through everything, the other is only ever given what is left at the end."""

    stored = Bundle("stored")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "lived" / LEDGER_NAME
        self.ledger = Ledger(self.path, create=True)
        self.source = self.ledger.put_source("/", "memory")
        self.generation = self.ledger.open_generation("fp", "ones", 4)
        self.expected: dict[str, tuple[Document, list[Chunk]]] = {}

    @rule(target=stored, given_document=documents())
    def put(self, given_document: tuple[Document, list[Chunk]]) -> str:
        document, chunks = given_document
        self.ledger.put_document(self.source.id, document, chunks, record_of(document, self.source.id))
        self.expected[document.path] = given_document
        return document.path

    @rule(path=consumes(stored))
    def remove(self, path: str) -> None:
        found = [record.id for record in self.ledger.documents() if record.path == path]
        self.ledger.remove_documents(found, forget_vectors=True)
        self.ledger.forget_files(self.source.id, [path])
        self.expected.pop(path, None)

    @rule()
    def embed(self) -> None:
        embed(self.ledger, self.generation.id)

    @rule()
    def checkpoint(self) -> None:
        self.ledger.checkpoint()

    @rule()
    def close_and_open(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(self.path)

    @invariant()
    def holds_together(self) -> None:
        counts = self.ledger.counts()
        assert counts.documents == counts.files == len(self.expected)
        assert counts.chunks == sum(len(chunks) for _, chunks in self.expected.values())

    def teardown(self) -> None:
        embed(self.ledger, self.generation.id)
        self.ledger.forget_unused_vectors()
        assert self.ledger.check() == []
        self.ledger.close()
        other = Path(self.folder.name) / "fresh" / LEDGER_NAME
        with Ledger(other, create=True) as fresh:
            source = fresh.put_source("/", "memory")
            generation = fresh.open_generation("fp", "ones", 4)
            for document, chunks in self.expected.values():
                fresh.put_document(source.id, document, chunks, record_of(document, source.id))
            embed(fresh, generation.id)
        assert dump(self.path) == dump(other)
        self.folder.cleanup()


def embed(ledger: Ledger, generation_id: int) -> None:
    """Give every waiting document vectors of ones."""
    while waiting := ledger.pending_documents(generation_id, 2):
        missing = [text_hash for text_hash, _ in ledger.missing_texts(generation_id, waiting)]
        ledger.put_vectors(generation_id, missing, np.ones((len(missing), 4), dtype=np.float16))
        ledger.mark_embedded(generation_id, waiting)


LedgerMachine.TestCase.settings = settings(deadline=None, max_examples=25, stateful_step_count=12)
TestAddedThenRemovedEqualsNeverAdded = LedgerMachine.TestCase


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 50))), st.integers(1, 60))
def test_batches_keep_order_and_budget(sizes: list[tuple[int, int]], budget: int) -> None:
    batches = batches_by_size(sizes, budget)
    assert [identity for batch in batches for identity in batch] == [identity for identity, _ in sizes]
    rest = iter(sizes)
    for batch in batches:
        total = sum(next(rest)[1] for _ in batch)
        assert batch
        assert len(batch) == 1 or total <= budget


@given(st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "~"]), WORDS, st.none() | SCALARS)
def test_a_filter_never_crashes_and_unequal_is_the_opposite_of_equal(
    operator: str, value: str, stored: Scalar | None
) -> None:
    condition = Condition("meta.x", operator, value)  # type: ignore[arg-type]
    assert condition.matches(stored) in (True, False)
    equal, unequal = Condition("meta.x", "=", value), Condition("meta.x", "!=", value)
    assert equal.matches(stored) is not unequal.matches(stored)


@given(
    st.sampled_from(["=", "!=", "<", ">=", "~"]), st.sampled_from(["", "1", "true", "2024"]) | WORDS, SCALARS
)
@settings(deadline=None, max_examples=60)
def test_sql_chooses_what_the_condition_matches(operator: str, value: str, stored: Scalar) -> None:
    if isinstance(stored, int) and not -(2**53) < stored < 2**53:
        stored = 7  # SQLite reads larger ones in JSON as fractions
    condition = Condition("meta.Key", operator, value)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / LEDGER_NAME, create=True) as ledger:
        source = ledger.put_source("/", "memory")
        facts: dict[str, dict[str, Scalar]] = {"with": {"key": stored, "x": 1}, "without": {"x": value}}
        for name, metadata in facts.items():
            document = Document(name, "text", "text/plain", metadata=metadata)
            ledger.put_document(source.id, document, [Chunk(0, 0, 4, "text")], record_of(document, source.id))
        expected = [1] * condition.matches(stored) + [2] * condition.matches(None)
        assert ledger.select_chunk_ids([condition]).tolist() == expected


@given(st.text(max_size=40))
def test_any_expression_is_parsed_or_refused_by_name(expression: str) -> None:
    from openbook.errors import UsageError

    try:
        (condition,) = parse_where([expression])
    except UsageError as error:
        assert repr(expression) in str(error)  # noqa: PT017 (most expressions raise, some do not)
    else:
        assert condition.field
        assert condition.operator in expression

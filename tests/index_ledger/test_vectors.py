"""Vectors are kept by text and generation, and used only when a document has all of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from openbook.errors import LibraryError, UsageError
from openbook.index.records import hash_text

if TYPE_CHECKING:
    from tests.index_ledger.conftest import Shelf


def test_the_first_generation_serves_and_the_next_is_built_beside_it(shelf: Shelf) -> None:
    shelf.put("a.txt", "one\n\ntwo")
    first = shelf.ledger.open_generation("fp-1", "model one", 8)
    assert first.state == "active"
    assert shelf.ledger.open_generation("fp-1", "model one", 8) == first
    shelf.embed(first)
    second = shelf.ledger.open_generation("fp-2", "model two", 4)
    assert second.state == "building"
    assert shelf.ledger.active_generation() == first
    assert shelf.ledger.pending_counts(second.id) == (1, 2)
    assert shelf.ledger.pending_counts(first.id) == (0, 0)
    shelf.embed(second)
    shelf.ledger.activate_generation(second.id)
    assert [g.state for g in shelf.ledger.generations()] == ["retired", "active"]
    shelf.put("b.txt", "three")  # the retired generation goes on to know what it lacks
    assert shelf.ledger.pending_counts(first.id) == (1, 1)
    shelf.ledger.activate_generation(first.id)
    active = shelf.ledger.active_generation()
    assert active is not None
    assert active.id == first.id
    with pytest.raises(UsageError, match="serves"):
        shelf.ledger.drop_generation(first.id)
    shelf.ledger.drop_generation(second.id)
    assert [g.id for g in shelf.ledger.generations()] == [first.id]
    assert shelf.ledger.counts().vectors == 2
    assert shelf.ledger.check() == []


def test_a_fingerprint_has_one_dimension(shelf: Shelf) -> None:
    shelf.ledger.open_generation("fp", "model", 8)
    with pytest.raises(UsageError, match="must change with the dimension"):
        shelf.ledger.open_generation("fp", "model", 16)
    with pytest.raises(UsageError, match="no generation 9"):
        shelf.ledger.activate_generation(9)


def test_the_newest_text_is_embedded_first(shelf: Shelf) -> None:
    generation = shelf.ledger.open_generation("fp", "model", 8)
    ids = [shelf.put(f"{n}.txt", f"text {n}") for n in range(4)]
    shelf.put("none.txt", "")  # nothing to embed, nothing to wait for
    assert shelf.ledger.pending_documents(generation.id, 3) == [ids[3], ids[2], ids[1]]
    shelf.put("0.txt", "changed")
    assert shelf.ledger.pending_documents(generation.id, 2) == [ids[0], ids[3]]
    assert shelf.ledger.pending_counts(generation.id) == (4, 4)


def test_only_text_never_seen_is_missing(shelf: Shelf) -> None:
    generation = shelf.ledger.open_generation("fp", "model", 8)
    first = shelf.put("a.txt", "one\n\ntwo\n\none", title="T")
    missing = shelf.ledger.missing_texts(generation.id, [first])
    assert missing == [(hash_text("T\none"), "T\none"), (hash_text("T\ntwo"), "T\ntwo")]
    assert shelf.embed(generation) == 2
    second = shelf.put("b.txt", "two\n\nthree", title="T")
    assert [text for _, text in shelf.ledger.missing_texts(generation.id, [second])] == ["T\nthree"]
    shelf.ledger.remove_documents([first])
    shelf.put("c.txt", "one\n\ntwo\n\none", title="T")  # comes back: the cache has it
    assert shelf.embed(generation) == 1


def test_vectors_come_back_as_they_went_in(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openbook.index.ledger._BATCH_CHUNKS", 3)
    generation = shelf.ledger.open_generation("fp", "model", 8)
    ids = [shelf.put(f"{n}.txt", "\n\n".join(f"t{i}" for i in range(n))) for n in range(5)]
    shelf.embed(generation)
    waiting = shelf.put("new.txt", "new")
    rows = list(shelf.ledger.iterate_vectors(generation.id, None))
    assert [document for document, _, _ in rows] == ids[1:]  # neither the empty nor the waiting one
    for document, chunk_ids, vectors in rows:
        chunks = shelf.ledger.document_chunks(document)
        assert chunk_ids.tolist() == [chunk.id for chunk in chunks]
        expected = _vectors([chunk.text_hash for chunk in chunks])
        assert vectors.dtype == np.float16
        assert np.array_equal(vectors, expected)
    some = [document for document, _, _ in shelf.ledger.iterate_vectors(generation.id, [ids[4], waiting])]
    assert some == [ids[4]]


def test_a_document_is_marked_only_when_it_has_all_its_vectors(shelf: Shelf) -> None:
    generation = shelf.ledger.open_generation("fp", "model", 8)
    first, second = shelf.put("a.txt", "one"), shelf.put("b.txt", "two")
    shelf.ledger.put_vectors(generation.id, [hash_text("one")], _vectors([hash_text("one")]))
    start = shelf.ledger.sequence
    with pytest.raises(LibraryError, match=f"Document {second} cannot"):
        shelf.ledger.mark_embedded(generation.id, [first, second])
    assert shelf.ledger.pending_counts(generation.id) == (2, 2)
    shelf.ledger.mark_embedded(generation.id, [first])
    shelf.ledger.mark_embedded(generation.id, [first, 99])
    changes = shelf.ledger.changes_since(start)
    assert changes is not None
    assert [(c.kind, c.document_id, c.generation_id) for c in changes] == [("vectors", first, generation.id)]
    shelf.put("a.txt", "one changed")  # its vectors are not for use until the new one is there
    assert list(shelf.ledger.iterate_vectors(generation.id, None)) == []


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (np.zeros((1, 8), dtype=np.float32), "float32"),
        (np.zeros((2, 8), dtype=np.float16), "shape"),
        (np.zeros((1, 4), dtype=np.float16), "shape"),
        (np.full((1, 8), np.inf, dtype=np.float16), "infinite"),
        (np.full((1, 8), np.nan, dtype=np.float16), "undefined"),
    ],
)
def test_vectors_of_another_kind_are_refused(shelf: Shelf, vectors: np.ndarray, words: str) -> None:
    generation = shelf.ledger.open_generation("fp", "model", 8)
    with pytest.raises(UsageError, match=words):
        shelf.ledger.put_vectors(generation.id, [b"h" * 16], vectors)
    with pytest.raises(UsageError, match="no generation"):
        shelf.ledger.put_vectors(77, [b"h" * 16], np.zeros((1, 8), dtype=np.float16))


def test_forgetting_spares_vectors_that_another_document_needs(shelf: Shelf) -> None:
    generation = shelf.ledger.open_generation("fp", "model", 8)
    first, second = shelf.put("a.txt", "shared\n\nown"), shelf.put("b.txt", "shared")
    shelf.embed(generation)
    shelf.ledger.remove_documents([first], forget_vectors=True)
    assert shelf.ledger.counts().vectors == 1
    assert [d for d, _, _ in shelf.ledger.iterate_vectors(generation.id, None)] == [second]
    shelf.ledger.remove_documents([second])
    assert shelf.ledger.counts().vectors == 1
    assert shelf.ledger.forget_unused_vectors() == 1
    assert shelf.ledger.counts().vectors == 0


def _vectors(hashes: list[bytes]) -> np.ndarray:
    from hashlib import blake2b

    rows = [np.frombuffer(blake2b(h, digest_size=8).digest(), dtype=np.uint8) for h in hashes]
    return ((np.array(rows, dtype=np.float16) - 128) / np.float16(256)).astype(np.float16)

"""Documents, chunks and files go in and come out as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from openbook.errors import LibraryError, ReadError, UsageError
from openbook.index.ledger import Ledger
from openbook.index.records import hash_text
from openbook.index.schema import BLOCK
from openbook.index.where import parse_where
from openbook.types import Chunk, Document, Mark

if TYPE_CHECKING:
    from tests.index_ledger.conftest import Shelf

AWKWARD = "NUL \0 inside, emoji 👩‍👩‍👧, combining e\u0301, right-to-left \u202e, line\u2028ends\r\n\ttab"


def test_a_document_comes_back_whole(shelf: Shelf) -> None:
    text = AWKWARD + "x" * (3 * BLOCK) + "\n\n" + AWKWARD
    document = Document(
        path="ordner/tägliches\nund 🎈.md",
        text=text,
        media_type="text/markdown",
        title="Tägliches",
        language="de",
        marks=(Mark("heading", 0, 3, "NUL", 1), Mark("page", 0, len(text), "iv", 4)),
        metadata={"author": "Jö", "pages": 3, "weight": 1.5, "draft": True, "big": 2**80, "empty": ""},
    )
    chunk = Chunk(0, 0, len(text), text, context="Tägliches", heading="A > B", page=4, place="p. iv")
    identity = shelf.ledger.put_document(shelf.source.id, document, [chunk], shelf.file(document.path))
    assert shelf.reopen().document(identity) == document
    (record,) = shelf.ledger.document_chunks(identity)
    assert record.text == text
    assert (record.start, record.end, record.page, record.place) == (0, len(text), 4, "p. iv")
    assert record.text_hash == hash_text(chunk.embedded_text)
    assert record.plain_hash == hash_text(text)
    assert record.source_root == "/somewhere"
    assert shelf.ledger.check() == []


@pytest.mark.parametrize("edge", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 7])
def test_slices_of_a_text_are_exact_around_the_edges_of_blocks(shelf: Shelf, edge: int) -> None:
    text = "".join(chr(0x4E00 + i % 5000) for i in range(2 * BLOCK + 7))
    identity = shelf.put("a.txt", text)
    for width in (0, 1, 2, BLOCK, 3 * BLOCK):
        assert shelf.ledger.text(identity, edge, edge + width) == text[edge : edge + width]
    chunk = Chunk(0, max(edge - 2, 0), edge, text[max(edge - 2, 0) : edge])
    document = Document("b.txt", text, "text/plain")
    other = shelf.ledger.put_document(shelf.source.id, document, [chunk], shelf.file("b.txt"))
    (chunk_id,) = shelf.ledger.chunk_ids_at(other, [0])
    assert shelf.ledger.chunks([chunk_id])[chunk_id].text == chunk.text


def test_chunks_come_in_the_order_asked_for_and_unknown_ones_are_left_out(shelf: Shelf) -> None:
    identity = shelf.put("a.txt", "one\n\ntwo\n\nthree", title="T")
    first, second, third = shelf.ledger.chunk_ids_at(identity, [0, 1, 2])
    found = shelf.ledger.chunks([third, 999_999, first])
    assert list(found) == [third, first]
    assert [chunk.text for chunk in found.values()] == ["three", "one"]
    assert second == first + 1
    assert shelf.ledger.chunks([]) == {}
    assert shelf.ledger.chunk_ids_at(identity, [7, -1, 0]) == [first]
    assert shelf.ledger.chunk_ids_at(999, [0]) == []


def test_an_update_keeps_the_id_of_the_document_and_never_reuses_one_of_a_chunk(shelf: Shelf) -> None:
    identity = shelf.put("a.txt", "old one\n\nold two")
    before = [chunk.id for chunk in shelf.ledger.document_chunks(identity)]
    added_at = next(shelf.ledger.documents()).added_at
    assert shelf.put("a.txt", "new") == identity
    (after,) = shelf.ledger.document_chunks(identity)
    assert after.id > max(before)
    assert shelf.ledger.chunks(before) == {}
    shelf.ledger.remove_documents([identity])
    other = shelf.put("b.txt", "other")
    assert other > identity
    assert shelf.ledger.document_chunks(other)[0].id > after.id
    assert next(shelf.ledger.documents()).added_at >= added_at


def test_the_change_log_tells_derived_indexes_what_happened_in_order(shelf: Shelf) -> None:
    first = shelf.put("a.txt", "one\n\ntwo")
    start = shelf.ledger.sequence
    shelf.put("a.txt", "three")
    shelf.put("empty.txt", "")
    shelf.ledger.remove_documents([first, 4711])
    changes = shelf.ledger.changes_since(start)
    assert changes is not None
    assert [(c.kind, c.document_id, c.first_chunk, c.last_chunk) for c in changes] == [
        ("removed", first, 1, 2),
        ("text", first, 3, 3),
        ("text", first + 1, 0, -1),
        ("removed", first, 3, 3),
    ]
    assert [c.sequence for c in changes] == list(range(start + 1, shelf.ledger.sequence + 1))
    assert shelf.ledger.changes_since(shelf.ledger.sequence) == []


def test_an_index_from_another_past_must_be_rebuilt(shelf: Shelf) -> None:
    shelf.put("a.txt", "one")
    assert shelf.ledger.changes_since(shelf.ledger.sequence + 1) is None
    assert shelf.ledger.changes_since(-1) is None


def test_a_trimmed_log_says_so(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        shelf.put(f"{number}.txt", "text")
    monkeypatch.setattr("openbook.index.ledger.KEPT_CHANGES", 2)
    shelf.ledger.checkpoint()
    assert shelf.ledger.sequence == 5
    assert shelf.ledger.changes_since(2) is None
    kept = shelf.ledger.changes_since(3)
    assert kept is not None
    assert [change.sequence for change in kept] == [4, 5]


def test_a_moved_document_keeps_everything_but_its_path(shelf: Shelf) -> None:
    identity = shelf.put("a.txt", "one\n\ntwo")
    chunks, sequence = shelf.ledger.document_chunks(identity), shelf.ledger.sequence
    shelf.ledger.move_document(identity, "deep/b.txt", shelf.file("deep/b.txt", outcome="moved"))
    assert [replace(c, path="a.txt") for c in shelf.ledger.document_chunks(identity)] == chunks
    assert shelf.ledger.sequence == sequence
    files = shelf.ledger.files(shelf.source.id)
    assert list(files) == ["deep/b.txt"]
    assert files["deep/b.txt"].document_id == identity
    assert shelf.ledger.check() == []


def test_a_document_cannot_move_onto_another(shelf: Shelf) -> None:
    first, second = shelf.put("a.txt", "one"), shelf.put("b.txt", "two")
    with pytest.raises(UsageError, match=f"document {second} is there"):
        shelf.ledger.move_document(first, "b.txt", shelf.file("b.txt"))
    with pytest.raises(UsageError, match="no document 77"):
        shelf.ledger.move_document(77, "c.txt", shelf.file("c.txt"))
    assert {record.path for record in shelf.ledger.documents()} == {"a.txt", "b.txt"}


def test_removing_says_so_in_the_record_of_the_file(shelf: Shelf) -> None:
    identity = shelf.put("a.txt", "one")
    shelf.put("b.txt", "two")
    shelf.ledger.remove_documents([identity])
    record = shelf.ledger.files(shelf.source.id)["a.txt"]
    assert (record.outcome, record.document_id) == ("removed", None)
    assert shelf.ledger.outcome_counts() == {"added": 1, "removed": 1}
    shelf.ledger.forget_files(shelf.source.id, ["a.txt", "never.txt"])
    assert shelf.ledger.outcome_counts() == {"added": 1}
    with pytest.raises(UsageError, match="no document"):
        shelf.ledger.document(identity)
    with pytest.raises(UsageError, match="no document"):
        shelf.ledger.text(identity, 0, 1)


def test_touching_a_file_keeps_what_still_holds(shelf: Shelf) -> None:
    shelf.put("a.txt", "one")
    failed = shelf.file("b.pdf", outcome="failed", reason="it is encrypted")
    shelf.ledger.record_files(shelf.source.id, [failed])
    shelf.ledger.touch_files(shelf.source.id, ["a.txt", "b.pdf"], "2025-01-01T00:00:00Z")
    files = shelf.ledger.files(shelf.source.id)
    assert files["a.txt"].outcome == "unchanged"
    assert files["b.pdf"] == replace(failed, checked_at="2025-01-01T00:00:00Z")


def test_one_source_can_take_over_another(shelf: Shelf) -> None:
    both, only = shelf.put("both.txt", "old"), shelf.put("only.txt", "text")
    wide = shelf.ledger.put_source("/", "folder")
    document = Document("sub/both.txt", "new", "text/plain")
    record = replace(shelf.file("sub/both.txt"), source_id=wide.id)
    newer = shelf.ledger.put_document(wide.id, document, [Chunk(0, 0, 3, "new")], record)
    shelf.ledger.adopt_source(shelf.source.id, wide.id, "sub")
    assert [source.root for source in shelf.ledger.sources()] == ["/"]
    assert {(d.id, d.path) for d in shelf.ledger.documents()} == {
        (newer, "sub/both.txt"),
        (only, "sub/only.txt"),
    }
    files = shelf.ledger.files(wide.id)
    assert {path: file.document_id for path, file in files.items()} == {
        "sub/both.txt": newer,
        "sub/only.txt": only,
    }
    assert shelf.ledger.source_root(only) == "/"
    assert shelf.ledger.chunk_ids_at(both, [0]) == []
    assert shelf.ledger.check() == []


def test_a_source_with_documents_stays(shelf: Shelf) -> None:
    identity = shelf.put("a.txt", "one")
    with pytest.raises(UsageError, match="still has 1 documents"):
        shelf.ledger.drop_source(shelf.source.id)
    shelf.ledger.remove_documents([identity])
    shelf.ledger.drop_source(shelf.source.id)
    assert shelf.ledger.sources() == []
    assert shelf.ledger.put_source("/elsewhere", "file").id > shelf.source.id


def test_a_group_of_calls_is_one_commit(shelf: Shelf, tmp_path: Path) -> None:
    other = Ledger(shelf.ledger.path, read_only=True)
    with shelf.ledger.transaction():
        first = shelf.put("a.txt", "one")
        assert shelf.ledger.document(first).text == "one"  # the thread sees its own changes
        assert other.counts().documents == 0
    assert other.counts().documents == 1
    other.close()


def _group_that_fails(shelf: Shelf) -> None:
    with shelf.ledger.transaction():
        shelf.put("a.txt", "one")
        raise KeyboardInterrupt


def test_a_group_that_fails_stores_nothing(shelf: Shelf) -> None:
    with pytest.raises(KeyboardInterrupt):
        _group_that_fails(shelf)
    assert shelf.ledger.counts().documents == 0
    assert shelf.ledger.files(shelf.source.id) == {}


def test_one_bad_document_does_not_spoil_its_group(shelf: Shelf) -> None:
    with shelf.ledger.transaction():
        shelf.put("a.txt", "one")
        with pytest.raises(ReadError, match="surrogate"):
            shelf.put("bad.txt", "one\n\nhalf \ud800 a pair")
        shelf.put("b.txt", "two")
    assert [record.path for record in shelf.ledger.documents()] == ["a.txt", "b.txt"]
    assert set(shelf.ledger.files(shelf.source.id)) == {"a.txt", "b.txt"}
    assert shelf.ledger.check() == []


def test_chunks_that_are_not_the_documents_are_refused(shelf: Shelf) -> None:
    document = Document("a.txt", "some text", "text/plain")
    with pytest.raises(UsageError, match="is not the text at 0 to 4"):
        shelf.ledger.put_document(shelf.source.id, document, [Chunk(0, 0, 4, "SOME")], shelf.file("a.txt"))
    with pytest.raises(UsageError, match="position 3"):
        shelf.ledger.put_document(shelf.source.id, document, [Chunk(3, 0, 4, "some")], shelf.file("a.txt"))
    with pytest.raises(UsageError, match="is not the text"):
        shelf.ledger.put_document(
            shelf.source.id, document, [Chunk(0, 0, 99, "some text")], shelf.file("a.txt")
        )
    assert shelf.ledger.counts().documents == 0


def test_numbers_that_json_lacks_are_kept_as_words(shelf: Shelf) -> None:
    identity = shelf.put("a.txt", "one", metadata={"score": float("nan"), "limit": float("inf")})
    assert shelf.ledger.document(identity).metadata == {"score": "nan", "limit": "inf"}
    assert shelf.ledger.select_chunk_ids(parse_where(["limit=inf"])).tolist() == [1]


def test_exact_duplicates_are_found_by_their_text_alone(shelf: Shelf) -> None:
    first = shelf.put("a.txt", "same\n\nother", title="A")
    second = shelf.put("b.txt", "same", title="B")
    one, two = shelf.ledger.document_chunks(first)[0], shelf.ledger.document_chunks(second)[0]
    assert one.text_hash != two.text_hash
    assert shelf.ledger.duplicates([one.plain_hash, b"nobody", one.plain_hash]) == {
        one.plain_hash: [one.id, two.id]
    }


def test_texts_stream_by_document(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openbook.index.ledger._BATCH_CHARACTERS", 10)
    ids = [shelf.put(f"{n}.txt", f"text {n}\n\nmore", title="T", language="en") for n in range(4)]
    stream = shelf.ledger.iterate_texts()
    assert next(stream)[0] == ids[0]
    shelf.ledger.remove_documents([ids[1]])  # an open stream blocks no writer, and sees what is left
    rest = list(stream)
    assert [document for document, _, _ in rest] == ids[2:]
    assert rest[0][1] == "en"
    chunk_ids = shelf.ledger.chunk_ids_at(ids[2], [0, 1])
    assert rest[0][2] == [(chunk_ids[0], "T", "text 2"), (chunk_ids[1], "T", "more")]
    assert [document for document, _, _ in shelf.ledger.iterate_texts([ids[3], 99])] == [ids[3]]


def test_settings_and_the_name_of_the_library_stay(shelf: Shelf) -> None:
    name = shelf.ledger.library_id
    shelf.ledger.put_settings({"chunk_tokens": "240"})
    shelf.ledger.put_settings({"chunk_tokens": "120", "cosine_weight": "0.8"})
    ledger = shelf.reopen()
    assert ledger.settings() == {"chunk_tokens": "120", "cosine_weight": "0.8"}
    assert ledger.library_id == name
    assert len(name) == 32


def test_a_closed_ledger_says_so(shelf: Shelf) -> None:
    shelf.ledger.close()
    shelf.ledger.close()
    with pytest.raises(UsageError, match="is closed"):
        shelf.ledger.counts()
    with pytest.raises(UsageError, match="is closed"):
        shelf.put("a.txt", "one")


def test_a_ledger_open_for_reading_refuses_to_write(shelf: Shelf) -> None:
    shelf.put("a.txt", "one")
    with Ledger(shelf.ledger.path, read_only=True) as reader:
        assert reader.counts().chunks == 1
        with pytest.raises(LibraryError, match="reading only"):
            reader.put_settings({"a": "b"})
        with pytest.raises(LibraryError, match="reading only"):
            reader.checkpoint()


def test_a_snapshot_is_a_ledger_of_its_own(shelf: Shelf, tmp_path: Path) -> None:
    identity = shelf.put("a.txt", "one")
    copy = tmp_path / "copy" / "ledger.sqlite"
    copy.parent.mkdir()
    shelf.ledger.snapshot(copy)
    with Ledger(copy) as other:
        assert other.document(identity) == shelf.ledger.document(identity)
        other.remove_documents([identity])
        assert other.check() == []
    assert shelf.ledger.counts().documents == 1
    with pytest.raises(UsageError, match="exists already"):
        shelf.ledger.snapshot(copy)

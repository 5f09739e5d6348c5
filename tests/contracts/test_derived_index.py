"""What both indexes promise as followers of the ledger: never wrong, and made anew when broken."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from openbook.embed import HashEmbedder
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.lexical import LexicalIndex
from openbook.index.records import FileRecord
from openbook.index.vectors import VectorIndex
from openbook.types import Chunk, Document
from tests.damaging import cut_in_half, replace_content

Index: TypeAlias = LexicalIndex | VectorIndex
EMBEDDER = HashEmbedder(64)


class Follower:
    """A ledger and one derived index of it, by whatever kind."""

    def __init__(self, kind: str, folder: Path) -> None:
        folder.mkdir()
        self.kind = kind
        self.folder = folder / kind
        self.ledger = Ledger(folder / LEDGER_NAME, create=True)
        self.source = self.ledger.put_source("/somewhere", "folder")
        self.generation = self.ledger.open_generation(EMBEDDER.fingerprint, EMBEDDER.name, 64)

    def open(self) -> Index:
        """Open the index, as another process would."""
        if self.kind == "lexical":
            return LexicalIndex(self.folder)
        return VectorIndex(self.folder, self.generation.id, 64, surroundings_weight=0.5)

    def put(self, path: str, *texts: str) -> None:
        """Add or replace a document with a chunk for each text and the word "chunk", vectors included."""
        whole, chunks = "", []
        for position, text in enumerate(texts):
            chunks.append(Chunk(position, len(whole), len(whole) + len(text) + 6, f"{text} chunk"))
            whole += f"{text} chunk\n"
        file = FileRecord(path, self.source.id, 1, 1, path.encode(), "added")
        document = Document(path, whole, "text/plain", language="en")
        identity = self.ledger.put_document(self.source.id, document, chunks, file)
        missing = self.ledger.missing_texts(self.generation.id, [identity])
        if missing:
            vectors = EMBEDDER.embed([text for _, text in missing], "document").astype(np.float16)
            self.ledger.put_vectors(self.generation.id, [key for key, _ in missing], vectors)
        self.ledger.mark_embedded(self.generation.id, [identity])

    def remove(self, *paths: str) -> None:
        """Remove documents by path."""
        found = [record.id for record in self.ledger.documents() if record.path in paths]
        self.ledger.remove_documents(found)

    def ids(self) -> list[int]:
        """Return the ids of all chunks of the ledger."""
        ids: list[int] = self.ledger.select_chunk_ids(()).tolist()
        return ids

    def search(self, index: Index, text: str = "chunk") -> list[tuple[int, float]]:
        """Return all that a search finds, best first."""
        if isinstance(index, LexicalIndex):
            return index.search(text, limit=10_000)
        return index.search(EMBEDDER.embed([text], "query")[0], limit=10_000)

    def purge(self, index: Index) -> None:
        """Get rid of what removed chunks left in the files."""
        if isinstance(index, LexicalIndex):
            index.purge(self.ledger)
        else:
            index.purge()

    def assert_complete(self, index: Index) -> None:
        """The index holds exactly the chunks of the ledger, and finds them."""
        assert index.check(self.ledger) == []
        assert index.sequence == self.ledger.sequence
        assert index.count == len(self.ids())
        assert sorted(i for i, _ in self.search(index)) == self.ids()


@pytest.fixture(params=["lexical", "vectors"])
def follower(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Follower]:
    """A library with some documents, its index not yet built."""
    made = Follower(request.param, tmp_path / "library")
    for number in range(12):
        made.put(f"{number}.txt", *(f"text {number} {part}" for part in range(number % 7 + 1)))
    yield made
    made.ledger.close()


def test_an_index_follows_the_ledger(follower: Follower) -> None:
    index = follower.open()
    assert (index.count, index.sequence, follower.search(index)) == (0, 0, [])
    index.catch_up(follower.ledger)
    follower.assert_complete(index)
    follower.put("new.txt", "quite new")
    follower.put("3.txt", "changed")
    follower.remove("5.txt", "6.txt")
    assert index.catch_up(follower.ledger) > 0
    follower.assert_complete(index)
    follower.assert_complete(follower.open())


def test_an_empty_ledger_is_followed_too(tmp_path: Path) -> None:
    for kind in ("lexical", "vectors"):
        empty = Follower(kind, tmp_path / kind)
        index = empty.open()
        index.catch_up(empty.ledger)
        empty.assert_complete(index)
        empty.put("first.txt", "one")
        index.catch_up(empty.ledger)
        empty.assert_complete(index)
        empty.remove("first.txt")
        index.catch_up(empty.ledger)
        empty.assert_complete(index)
        empty.ledger.close()


def test_nothing_is_written_where_nothing_changed(follower: Follower) -> None:
    index = follower.open()
    index.catch_up(follower.ledger)
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in follower.folder.iterdir()}
    assert index.catch_up(follower.ledger) == 0
    follower.purge(index)
    follower.search(follower.open())
    assert {
        file: (file.stat().st_mtime_ns, file.read_bytes()) for file in follower.folder.iterdir()
    } == before


def test_an_older_state_catches_up_to_the_same(follower: Follower, tmp_path: Path) -> None:
    index = follower.open()
    index.catch_up(follower.ledger)
    shutil.copytree(follower.folder, tmp_path / "older")
    follower.put("3.txt", "changed")
    follower.remove("4.txt")
    index.catch_up(follower.ledger)
    index.close()
    follower.folder.rename(tmp_path / "newer")
    shutil.copytree(tmp_path / "older", follower.folder)
    again = follower.open()
    assert again.count > 0
    again.catch_up(follower.ledger)
    follower.assert_complete(again)


def test_rebuilding_changes_nothing_that_is_found(follower: Follower) -> None:
    index = follower.open()
    for number in range(5):
        index.catch_up(follower.ledger)
        follower.put(f"{number}.txt", "chunk once more", f"other {number}")
        follower.remove(f"{number + 5}.txt")
    index.catch_up(follower.ledger)
    follower.purge(index)
    before = [follower.search(index, text) for text in ("chunk", "other 3", "text")]
    index.rebuild(follower.ledger)
    follower.assert_complete(index)
    assert [follower.search(index, text) for text in ("chunk", "other 3", "text")] == before


def test_a_reader_sees_the_new_state_when_it_reloads(follower: Follower) -> None:
    writer, reader = follower.open(), follower.open()
    steps: list[Callable[[], None]] = [
        lambda: follower.put("new.txt", "quite new"),
        lambda: follower.remove("1.txt", "2.txt", "3.txt", "4.txt", "5.txt"),
        lambda: writer.rebuild(follower.ledger),
    ]
    for step in steps:
        step()
        found = follower.search(reader)
        writer.catch_up(follower.ledger)
        follower.purge(writer)
        # a removed row is erased at once; whatever else was found is found as before
        living = follower.ids()
        assert [hit for hit in follower.search(reader) if hit[0] in living] == [
            hit for hit in found if hit[0] in living
        ]
        reader.reload()
        follower.assert_complete(reader)


def test_a_log_that_does_not_reach_back_leads_to_a_rebuild(follower: Follower) -> None:
    index = follower.open()
    index.catch_up(follower.ledger)
    follower.put("new.txt", "quite new")
    with closing(sqlite3.connect(follower.ledger.path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM changes WHERE sequence <= ?", (follower.ledger.sequence - 1,))
    index.catch_up(follower.ledger)
    assert "rebuilt" in index.note
    follower.assert_complete(index)


def test_another_librarys_index_is_not_trusted(follower: Follower, tmp_path: Path) -> None:
    other = Follower(follower.kind, tmp_path / "other")
    for number in range(40):
        other.put(f"{number}.txt", f"secret {number}")
    other.open().catch_up(other.ledger)
    shutil.copytree(other.folder, follower.folder)
    index = follower.open()
    index.catch_up(follower.ledger)
    assert "another library" in index.note
    follower.assert_complete(index)
    assert not any(b"secret" in file.read_bytes() for file in follower.folder.iterdir())
    other.ledger.close()


def scramble(file: Path) -> None:
    size = file.stat().st_size
    replace_content(file, np.random.default_rng(size).bytes(size))


def scramble_the_middle(file: Path) -> None:
    content = bytearray(file.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = np.random.default_rng(third).bytes(third)
    replace_content(file, bytes(content))


def blank(file: Path) -> None:
    replace_content(file, b"")


DAMAGES: Sequence[Callable[[Path], None]] = (Path.unlink, cut_in_half, scramble, scramble_the_middle, blank)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_whatever_happens_to_a_file_the_index_comes_back(
    follower: Follower, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    index = follower.open()
    index.catch_up(follower.ledger)
    follower.remove("6.txt")
    index.catch_up(follower.ledger)
    names = sorted(file.name for file in follower.folder.iterdir())
    for place in range(len(names)):
        index.close()
        follower.folder.rename(tmp_path / f"before {place}")
        follower.open().catch_up(follower.ledger)
        files = sorted(follower.folder.iterdir())
        damage(files[place % len(files)])
        index = follower.open()
        assert isinstance(follower.search(index), list)
        index.catch_up(follower.ledger)
        if index.check(follower.ledger):
            index.rebuild(follower.ledger)
        follower.assert_complete(index)
        follower.assert_complete(follower.open())


def test_a_missing_folder_is_made_again(follower: Follower, tmp_path: Path) -> None:
    index = follower.open()
    assert "missing" in index.note
    index.catch_up(follower.ledger)
    follower.folder.rename(tmp_path / "elsewhere")
    index.reload()
    assert (index.count, follower.search(index)) == (0, [])
    index.catch_up(follower.ledger)
    follower.assert_complete(index)


def test_changes_may_be_applied_again(follower: Follower, tmp_path: Path) -> None:
    """A crash after the commit but before the sequence was noted looks like this."""
    index = follower.open()
    index.catch_up(follower.ledger)
    note = follower.folder / ("followed.json" if follower.kind == "lexical" else "header.json")
    older = note.read_bytes()
    follower.put("3.txt", "changed")
    follower.put("new.txt", "quite new")
    follower.remove("4.txt")
    index.catch_up(follower.ledger)
    note.write_bytes(older)
    again = follower.open()
    assert again.sequence < follower.ledger.sequence
    again.catch_up(follower.ledger)
    follower.assert_complete(again)

"""Removed text leaves no byte behind in the indexes, also while readers have them open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.index_derived.conftest import Shelf

SECRET = "photoluminometers"
LETTERS = "te/oasripcnw.hlm-du"
"""The letters that tantivy's dictionary writes as one byte each, 0xC0 + 1 for the first."""


def traces(folder: Path, word: str) -> set[str]:
    """Return the names of the files with six letters in a row of the word, plain or as in a dictionary.

    A dictionary shares the beginnings and ends of its words among them, and
    writes a word from its end, in an alphabet of its own.
    """
    pieces = [word[i : i + 6] for i in range(len(word) - 6)]
    patterns = [piece.encode() for piece in pieces]
    patterns += [bytes(0xC1 + LETTERS.index(letter) for letter in reversed(piece)) for piece in pieces]
    found = set()
    for file in folder.iterdir():
        content = file.read_bytes()
        if any(pattern in content for pattern in patterns):
            found.add(file.name)
    return found


def filled(shelf: Shelf) -> None:
    for number in range(30):
        shelf.put(f"{number}.txt", [f"ordinary words {number} {part}" for part in range(8)])


def test_a_removed_word_is_in_no_file(shelf: Shelf) -> None:
    filled(shelf)
    shelf.put("secret.txt", [f"the {SECRET} is here", "and here is more"])
    index, reader = shelf.lexical(), shelf.lexical()
    folder = shelf.folder / "lexical"
    index.catch_up(shelf.ledger)
    assert traces(folder, SECRET), "the search would not find the word even while it is there"
    reader.reload()
    shelf.remove("secret.txt")
    index.purge(shelf.ledger)
    assert traces(folder, SECRET) == set()
    assert index.search(SECRET, limit=5) == []
    assert index.check(shelf.ledger) == []
    # the reader still has the old files open, and sees the new ones once it asks
    assert len(reader.search(SECRET, limit=5)) == 2
    reader.reload()
    assert reader.search(SECRET, limit=5) == []
    assert len(reader.search("ordinary", limit=500)) == 240


def test_a_deleted_paragraph_is_in_no_file(shelf: Shelf) -> None:
    filled(shelf)
    texts = [f"paragraph {number}" for number in range(9)]
    shelf.put("notes.txt", [*texts, f"my {SECRET}"])
    index = shelf.lexical()
    index.catch_up(shelf.ledger)
    assert traces(shelf.folder / "lexical", SECRET)
    shelf.put("notes.txt", texts)
    index.purge(shelf.ledger)
    assert traces(shelf.folder / "lexical", SECRET) == set()
    assert index.check(shelf.ledger) == []


def test_only_segments_that_lost_chunks_are_written_anew(shelf: Shelf) -> None:
    index = shelf.lexical()
    filled(shelf)
    index.catch_up(shelf.ledger)
    folder = shelf.folder / "lexical"
    large = {file.name for file in folder.glob("*.idx")}
    shelf.put("secret.txt", [SECRET])
    index.catch_up(shelf.ledger)
    shelf.remove("secret.txt")
    index.purge(shelf.ledger)
    assert large <= {file.name for file in folder.glob("*.idx")}
    assert traces(folder, SECRET) == set()


@pytest.mark.parametrize(
    "removed", [["0.txt"], [f"{n}.txt" for n in range(0, 30, 2)], [f"{n}.txt" for n in range(30)]]
)
def test_purging_keeps_every_other_chunk(shelf: Shelf, removed: list[str]) -> None:
    index = shelf.lexical()
    for number in range(30):
        shelf.put(f"{number}.txt", [f"word{number} common", *["filler"] * (number % 7)])
        if number % 4 == 0:
            index.catch_up(shelf.ledger)
    shelf.remove(*removed)
    index.purge(shelf.ledger)
    assert index.check(shelf.ledger) == []
    found = {number for number in range(30) if index.search(f"word{number}", limit=3)}
    assert found == {number for number in range(30) if f"{number}.txt" not in removed}
    meta = json.loads((shelf.folder / "lexical" / "meta.json").read_bytes())
    assert not any(segment.get("deletes") for segment in meta["segments"])


def test_rows_of_removed_chunks_are_zeros(shelf: Shelf) -> None:
    filled(shelf)
    ids = shelf.put("secret.txt", [f"the {SECRET}", "is here"])
    shelf.embed()
    index = shelf.vectors()
    index.catch_up(shelf.ledger)
    row = shelf.vectors_of([f"the {SECRET}"])[0].tobytes()
    folder = shelf.folder / "vectors"
    assert any(row in file.read_bytes() for file in folder.iterdir())
    shelf.remove("secret.txt")
    index.catch_up(shelf.ledger)
    assert not any(row in file.read_bytes() for file in folder.iterdir())
    assert index.cosines(shelf.query(SECRET), ids) == {}
    assert index.check(shelf.ledger) == []


def test_files_shrink_when_many_rows_are_removed(shelf: Shelf) -> None:
    filled(shelf)
    shelf.embed()
    index, reader = shelf.vectors(), shelf.vectors()
    index.catch_up(shelf.ledger)
    reader.reload()
    before = reader.search(shelf.query("ordinary words 29"), limit=5, within=np.arange(233, 241))
    size = sum(file.stat().st_size for file in (shelf.folder / "vectors").iterdir())
    shelf.remove(*[f"{number}.txt" for number in range(20)])
    index.catch_up(shelf.ledger)
    assert sum(file.stat().st_size for file in (shelf.folder / "vectors").iterdir()) < size / 2
    assert reader.search(shelf.query("ordinary words 29"), limit=5, within=np.arange(233, 241)) == before
    reader.reload()
    assert reader.search(shelf.query("ordinary words 29"), limit=5, within=np.arange(233, 241)) == before
    assert (reader.count, reader.check(shelf.ledger)) == (80, [])

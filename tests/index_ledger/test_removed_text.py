"""After a removal and a checkpoint no byte of the ledger's files holds the removed text."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from openbook.errors import LibraryLocked, UsageError
from openbook.index.ledger import Ledger
from openbook.types import Chunk, Document, Mark

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.index_ledger.conftest import Shelf

SECRET = "zyzzyvaSecretWord"

WORDS_OF_FILES = """
import pathlib, re, sys
found = set()
for file in pathlib.Path(sys.argv[1]).iterdir():
    found.update(re.findall(rb"w\\d{7}q", file.read_bytes()))
print(" ".join(word.decode() for word in sorted(found)))
"""


@pytest.fixture
def files_with() -> Callable[[Path, str], list[str]]:
    """Names of the files of a folder that hold a word; asked of another process, which takes no locks."""

    def names(folder: Path, word: str) -> list[str]:
        found = subprocess.run(
            ["grep", "-rlaF", "--", word, str(folder)], check=False, capture_output=True, text=True
        )
        assert found.returncode in (0, 1), found.stderr
        return [line.rpartition("/")[2] for line in found.stdout.splitlines()]

    return names


def secret_document(path: str) -> tuple[Document, list[Chunk]]:
    """A document with the secret in every place where text can be."""
    text = f"before {SECRET} " + "filler " * 3000 + SECRET
    document = Document(
        path,
        text,
        "text/plain",
        title=SECRET,
        marks=(Mark("heading", 0, 6, SECRET, 1),),
        metadata={SECRET: SECRET},
    )
    chunk = Chunk(0, 0, 40, text[:40], context=SECRET, heading=SECRET, place=SECRET)
    return document, [chunk]


def test_a_removed_document_leaves_no_byte(
    shelf: Shelf, files_with: Callable[[Path, str], list[str]]
) -> None:
    path = f"folder/{SECRET}.txt"
    document, chunks = secret_document(path)
    identity = shelf.ledger.put_document(shelf.source.id, document, chunks, shelf.file(path))
    shelf.put("other.txt", "other")
    assert files_with(shelf.folder, SECRET) != []
    shelf.ledger.remove_documents([identity], forget_vectors=True)
    shelf.ledger.forget_files(shelf.source.id, [path])
    shelf.ledger.checkpoint()
    assert files_with(shelf.folder, SECRET) == []
    assert shelf.ledger.check() == []


def test_a_deleted_paragraph_leaves_no_byte(
    shelf: Shelf, files_with: Callable[[Path, str], list[str]]
) -> None:
    shelf.put("a.txt", f"first\n\nthe {SECRET} paragraph\n\nlast")
    shelf.put("a.txt", "first\n\nlast")
    shelf.ledger.checkpoint()
    assert files_with(shelf.folder, SECRET) == []


def test_a_checkpoint_that_a_reader_holds_up_says_so_and_a_later_one_finishes(
    shelf: Shelf, files_with: Callable[[Path, str], list[str]]
) -> None:
    identity = shelf.put("a.txt", f"the {SECRET} paragraph")
    reader = Ledger(shelf.ledger.path, read_only=True)
    with reader._connections.reading() as connection:  # a view that stays open, as in a slow reader
        assert connection.execute("SELECT count(*) FROM documents").fetchone() == (1,)
        shelf.ledger.remove_documents([identity])
        with pytest.raises(LibraryLocked, match="still be in the library's files"):
            shelf.ledger.checkpoint(seconds=0.05)
        assert connection.execute("SELECT count(*) FROM documents").fetchone() == (1,)
    assert reader.counts().documents == 0
    shelf.ledger.checkpoint()
    assert files_with(shelf.folder, SECRET) == []
    reader.close()


def test_what_is_due_is_not_forgotten_when_the_process_ends_before_the_checkpoint(
    shelf: Shelf, files_with: Callable[[Path, str], list[str]]
) -> None:
    shelf.put("a.txt", f"first\n\nthe {SECRET} paragraph\n\nlast")
    shelf.put("a.txt", "first\n\nlast")
    shelf.reopen().checkpoint()
    assert files_with(shelf.folder, SECRET) == []


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_rows_that_moved_between_pages_leave_nothing_behind(shelf: Shelf, seed: int) -> None:
    """SQLite alone fails this one: its secure_delete does not reach copies left by page splits and merges."""
    chance = random.Random(seed)
    bystander = Ledger(shelf.ledger.path)  # has old pages in its cache and must not write them back
    bystander.put_settings({"a": "b"})
    alive: dict[str, tuple[int, set[str]]] = {}
    serial = iter(range(10_000_000))
    for turn in range(6):
        with shelf.ledger.transaction():
            for _ in range(150):
                path = f"{chance.randrange(300)}.txt"
                if path in alive and chance.random() < 0.35:
                    shelf.ledger.remove_documents([alive.pop(path)[0]])
                else:
                    words = [f"w{next(serial):07}q" for _ in range(chance.choice([1, 3, 10, 50, 300, 900]))]
                    text = "\n\n".join(" ".join(words[at : at + 90]) for at in range(0, len(words), 90))
                    alive[path] = (shelf.put(path, text, title=words[0]), set(words))
        shelf.ledger.checkpoint()
        bystander.put_settings({"turn": str(turn)})
        bystander.checkpoint()
        kept = set[str]().union(*(words for _, words in alive.values()))
        assert _words_in(shelf.folder) - kept == set()
    bystander.close()
    assert shelf.ledger.check() == []


def test_a_checkpoint_inside_a_transaction_is_refused(shelf: Shelf) -> None:
    with shelf.ledger.transaction(), pytest.raises(UsageError, match="inside a transaction"):
        shelf.ledger.checkpoint()
    with shelf.ledger.transaction(), pytest.raises(UsageError, match="inside a transaction"):
        shelf.ledger.close()


def _words_in(folder: Path) -> set[str]:
    output = subprocess.run(
        [sys.executable, "-I", "-c", WORDS_OF_FILES, str(folder)], check=True, capture_output=True, text=True
    ).stdout
    return set(re.findall(r"w\d{7}q", output))

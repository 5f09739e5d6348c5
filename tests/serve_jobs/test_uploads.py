"""Uploads: all of a file or nothing of it, under a name that cannot do harm."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.errors import FileTooLarge, LibraryError, StorageFull, UsageError
from openbook.read.discover import discover
from openbook.serve.uploads import NAME_BYTES, SPARE_BYTES, Uploads, safe_name
from tests.serve_jobs.conftest import blocks


class Usage(NamedTuple):
    """What `shutil.disk_usage` returns."""

    total: int
    used: int
    free: int


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "uploads", 5_000_000)


def names(uploads: Uploads) -> list[str]:
    return sorted(file.name for file in uploads.folder.iterdir())


def test_a_file_arrives_whole(uploads: Uploads) -> None:
    pieces = [bytes([number % 251]) * 70_001 for number in range(60)]
    file = asyncio.run(uploads.receive("report.pdf", blocks(*pieces), expected=60 * 70_001))
    assert file == uploads.folder / "report.pdf"
    assert file.read_bytes() == b"".join(pieces)
    assert names(uploads) == ["report.pdf"]


def test_the_same_name_again_replaces_the_file(uploads: Uploads) -> None:
    asyncio.run(uploads.receive("note.md", blocks(b"long first version")))
    asyncio.run(uploads.receive("folder/note.md", blocks(b"second")))
    assert (uploads.folder / "note.md").read_bytes() == b"second"
    assert names(uploads) == ["note.md"]


def test_nothing_can_be_seen_before_all_is_there(uploads: Uploads) -> None:
    seen: list[list[str]] = []

    async def content() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 1_500_000
            seen.append([found.path for found in discover(uploads.folder)])

    asyncio.run(uploads.receive("big.txt", content()))
    assert seen == [[], [], []]
    assert [found.path for found in discover(uploads.folder)] == ["big.txt"]


def test_a_transfer_that_breaks_off_leaves_the_earlier_file(uploads: Uploads) -> None:
    asyncio.run(uploads.receive("note.md", blocks(b"first")))

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 2_000_000
        raise ConnectionResetError("the other side is gone")

    with pytest.raises(ConnectionResetError):
        asyncio.run(uploads.receive("note.md", broken()))
    assert names(uploads) == ["note.md"]
    assert (uploads.folder / "note.md").read_bytes() == b"first"


def test_a_cancelled_transfer_leaves_nothing(uploads: Uploads) -> None:
    async def play() -> None:
        begun = asyncio.Event()

        async def content() -> AsyncIterator[bytes]:
            yield b"x" * 2_000_000
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(uploads.receive("big.txt", content()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(play())
    assert names(uploads) == []


@pytest.mark.parametrize("expected", [None, 5_000_001])
def test_a_file_over_the_limit_is_refused(uploads: Uploads, expected: int | None) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 100_000

    with pytest.raises(FileTooLarge, match="5,000,000"):
        asyncio.run(uploads.receive("endless.txt", endless(), expected=expected))
    assert taken == (51 if expected is None else 0)
    assert names(uploads) == []


def test_a_file_of_just_the_limit_is_taken(uploads: Uploads) -> None:
    asyncio.run(uploads.receive("full.txt", blocks(b"x" * 5_000_000)))
    assert (uploads.folder / "full.txt").stat().st_size == 5_000_000


def test_a_disk_that_gets_full_is_told_with_figures(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = SPARE_BYTES + 1_200_000
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free, 0, free))
    with pytest.raises(StorageFull, match=f"{free:,} bytes are free"):
        asyncio.run(uploads.receive("big.txt", blocks(b"x" * 1_000_000, b"x" * 1_000_000), expected=None))
    with pytest.raises(StorageFull, match="Free some space"):
        asyncio.run(uploads.receive("big.txt", blocks(), expected=2_000_000))
    assert names(uploads) == []


def test_the_system_s_own_word_for_a_full_disk_is_understood(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageFull):
        asyncio.run(uploads.receive("big.txt", blocks(b"x")))
    assert names(uploads) == []


def test_a_library_that_was_deleted_is_not_begun_anew(uploads: Uploads) -> None:
    library = uploads.folder.parent / "library"
    with pytest.raises(LibraryError, match="cannot be kept"):
        asyncio.run(Uploads(library / "uploads", 100).receive("a.md", blocks(b"Text")))
    assert not library.exists()


def test_what_the_system_does_not_let_through_is_told(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("openbook.serve.uploads._finish", refuse)
    with pytest.raises(LibraryError, match=r"'a\.md' cannot be kept .*Permission denied"):
        asyncio.run(uploads.receive("a.md", blocks(b"Text")))
    assert list(uploads.folder.iterdir()) == []


def test_leftovers_of_killed_servers_are_swept_and_growing_files_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / ".00ff.partial").write_bytes(b"left")
    (folder / "kept.txt").write_bytes(b"kept")
    (folder / "link.txt").symlink_to("/etc/hostname")
    growing = folder / ".aa11.partial"
    with growing.open("xb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert names(Uploads(folder, 10)) == [".aa11.partial", "kept.txt"]
    assert names(Uploads(folder, 10)) == ["kept.txt"]


def test_a_linked_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/.old.partial").touch()
    (tmp_path / "uploads").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="is a link"):
        asyncio.run(Uploads(tmp_path / "uploads", 10).receive("a.txt", blocks(b"x")))
    assert [file.name for file in (tmp_path / "elsewhere").iterdir()] == [".old.partial"]


def test_originals_are_deleted_inside_the_folder_alone(uploads: Uploads, tmp_path: Path) -> None:
    file = asyncio.run(uploads.receive("note.md", blocks(b"x")))
    (tmp_path / "mine.md").touch()
    for path in ("../mine.md", str(tmp_path / "mine.md"), "..", ""):
        with pytest.raises(UsageError, match="inside its folder"):
            uploads.delete(path)
    assert (tmp_path / "mine.md").exists()
    uploads.delete("note.md")
    uploads.delete("note.md")
    assert not file.exists()


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\plan.docx", "plan.docx"),
        ("/absolute/path.md", "path.md"),
        ("..", "upload"),
        ("", "upload"),
        (".gitignore", "gitignore"),
        ("...hidden.md", "hidden.md"),
        ("trailing. . .", "trailing"),
        ("a\x00b\nc\x7f.txt", "abc.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("zero\u200bwidth\ufeff.md", "zerowidth.md"),
        ("half\udce9.md", "half.md"),
        ("  two   spaces .md", "two spaces .md"),
        ('<script>alert("x")</script>.html', "script_.html"),
        ("what?*.md", "what__.md"),
        ("nul", "_nul"),
        ("CON.txt", "_CON.txt"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("console.log", "console.log"),
        ("ledger.sqlite", "_ledger.sqlite"),
        ("Node_Modules", "_Node_Modules"),
        ("Ärger.md", "Ärger.md"),
        ("A\u0308rger.md", "Ärger.md"),
        ("報告書.pdf", "報告書.pdf"),
        ("تقرير.pdf", "تقرير.pdf"),
        ("🦆 duck.md", "🦆 duck.md"),
        ("x" * 300 + ".pdf", "x" * 195 + ".pdf"),
        ("é" * 150 + ".md", "é" * 98 + ".md"),
        ("no suffix " * 40, ("no suffix " * 40)[:199].rstrip()),
    ],
)
def test_names_are_made_safe(given_name: str, kept: str) -> None:
    assert safe_name(given_name) == kept


@given(st.text(max_size=300) | st.text("../\\. CONul1\u202e\u0301é<:", max_size=40))
def test_every_name_stays_in_its_folder(name: str) -> None:
    safe = safe_name(name)
    assert Path(safe).name == safe
    assert not safe.startswith(".")
    assert not safe.endswith((".", " "))
    assert len(safe.encode()) <= NAME_BYTES
    assert safe == unicodedata.normalize("NFC", safe)
    assert safe.isprintable() or any(unicodedata.category(letter) == "Zs" for letter in safe)
    assert safe_name(safe) == safe

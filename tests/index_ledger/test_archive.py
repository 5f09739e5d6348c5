"""A library in one file: it comes back whole, and a bad file leaves nothing behind."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from openbook.errors import LibraryDamaged, LibraryNotFound, LibraryTooNew, UsageError
from openbook.index.archive import MANIFEST_NAME, export_library, import_library
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.where import parse_where

if TYPE_CHECKING:
    from tests.index_ledger.conftest import Shelf


@pytest.fixture
def exported(shelf: Shelf, tmp_path: Path) -> Path:
    """An export of a small library with vectors, made while the library is open for writing."""
    generation = shelf.ledger.open_generation("fp", "model", 8)
    for number in range(30):
        shelf.put(f"{number}.txt", f"text {number}\n\nmore", title="T", metadata={"n": number})
    shelf.embed(generation)
    (shelf.folder / "lexical").mkdir()
    (shelf.folder / "lexical" / "segment").write_text("derived")
    return export_library(shelf.folder, tmp_path / "library.openbook")


def repacked(exported: Path, **changes: Any) -> Path:
    """Write the export again with another manifest, ledger or further entries."""
    target = exported.with_name("changed.openbook")
    with zipfile.ZipFile(exported) as source, zipfile.ZipFile(target, "w") as output:
        manifest = json.loads(source.read(MANIFEST_NAME)) | changes.get("manifest", {})
        output.writestr(MANIFEST_NAME, changes.get("manifest_text") or json.dumps(manifest))
        output.writestr(LEDGER_NAME, changes.get("ledger") or source.read(LEDGER_NAME))
        for name, content in changes.get("more", {}).items():
            output.writestr(name, content)
    return target


def test_a_library_comes_back_whole_and_without_embedding_again(
    shelf: Shelf, exported: Path, tmp_path: Path
) -> None:
    assert zipfile.ZipFile(exported).namelist() == [LEDGER_NAME, MANIFEST_NAME]
    folder = import_library(exported, tmp_path / "deep" / "copy")
    assert [entry.name for entry in folder.iterdir()] == [LEDGER_NAME]
    assert sorted(entry.name for entry in folder.parent.iterdir()) == ["copy"]
    with Ledger(folder / LEDGER_NAME) as copy:
        assert copy.check() == []
        assert copy.counts() == shelf.ledger.counts()
        assert copy.library_id == shelf.ledger.library_id
        generation = copy.active_generation()
        assert generation is not None
        assert copy.pending_counts(generation.id) == (0, 0)
        assert copy.select_chunk_ids(parse_where(["n<3"])).tolist() == [1, 2, 3, 4, 5, 6]
        copy.put_settings({"it": "can be written"})


def test_nothing_is_overwritten(shelf: Shelf, exported: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists already"):
        export_library(shelf.folder, exported)
    with pytest.raises(UsageError, match="not empty"):
        import_library(exported, shelf.folder)
    with pytest.raises(UsageError, match="not empty"):
        import_library(exported, exported)
    assert shelf.ledger.counts().documents == 30
    empty = tmp_path / "empty"
    empty.mkdir()
    import_library(exported, empty)


def test_what_is_missing_is_named(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(LibraryNotFound):
        export_library(tmp_path / "nowhere", tmp_path / "x.openbook")
    with pytest.raises(UsageError, match="no folder"):
        export_library(shelf.folder, tmp_path / "nowhere" / "x.openbook")
    with pytest.raises(UsageError, match="no file"):
        import_library(tmp_path / "nowhere", tmp_path / "copy")


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"manifest": {"kind": "another thing"}}, UsageError, "not an export"),
        ({"manifest": {"version": 2}}, LibraryTooNew, "newer openbook"),
        ({"manifest": {"ledger_format": 99}}, LibraryTooNew, "newer openbook"),
        ({"manifest": {"ledger_bytes": 100}}, LibraryDamaged, "size or checksum"),
        ({"manifest": {"ledger_bytes": "many"}}, LibraryDamaged, "lacks a version or a size"),
        ({"manifest": {"ledger_blake2b": "00"}}, LibraryDamaged, "size or checksum"),
        ({"manifest_text": "{"}, LibraryDamaged, "not JSON"),
        ({"manifest_text": "x" * 200_000}, UsageError, "one of ours"),
        ({"ledger": b"something else"}, LibraryDamaged, "size or checksum"),
        ({"more": {"../../evil.txt": "x"}}, UsageError, "it holds"),
        ({"more": {"/etc/evil": "x"}}, UsageError, "it holds"),
        ({"more": {"settings.toml": "x"}}, UsageError, "it holds"),
    ],
)
def test_a_changed_export_is_refused_and_leaves_nothing_behind(
    exported: Path, tmp_path: Path, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(error, match=words):
        import_library(repacked(exported, **changes), tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "changed.openbook"])


def test_an_export_cut_short_is_refused(exported: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.openbook"
    cut.write_bytes(exported.read_bytes()[: exported.stat().st_size // 2])
    with pytest.raises(LibraryDamaged, match="not a whole export"):
        import_library(cut, tmp_path / "copy")
    flipped = bytearray(exported.read_bytes())
    flipped[len(flipped) // 2] ^= 0xFF
    cut.write_bytes(bytes(flipped))
    with pytest.raises(LibraryDamaged):
        import_library(cut, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_link_in_place_of_the_ledger_is_refused(exported: Path, tmp_path: Path) -> None:
    target = tmp_path / "link.openbook"
    with zipfile.ZipFile(exported) as source, zipfile.ZipFile(target, "w") as output:
        output.writestr(MANIFEST_NAME, source.read(MANIFEST_NAME))
        link = zipfile.ZipInfo(LEDGER_NAME)
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        output.writestr(link, "/etc/passwd")
    with pytest.raises(UsageError, match="a link"):
        import_library(target, tmp_path / "copy")


def test_a_ledger_with_foreign_code_is_refused(shelf: Shelf, exported: Path, tmp_path: Path) -> None:
    import sqlite3
    from hashlib import blake2b

    evil = tmp_path / "evil.sqlite"
    shelf.ledger.snapshot(evil)
    with closing(sqlite3.connect(evil)) as connection:
        connection.execute("CREATE TRIGGER evil AFTER DELETE ON facts BEGIN DELETE FROM chunks; END")
    content = evil.read_bytes()
    manifest = {
        "ledger_bytes": len(content),
        "ledger_blake2b": blake2b(content, digest_size=32).hexdigest(),
    }
    with pytest.raises(LibraryDamaged, match="evil"):
        import_library(repacked(exported, ledger=content, manifest=manifest), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_ledger_that_does_not_hold_together_is_refused(
    shelf: Shelf, exported: Path, tmp_path: Path
) -> None:
    import sqlite3

    shelf.ledger.close()
    shutil.copytree(shelf.folder, tmp_path / "broken")
    with closing(sqlite3.connect(tmp_path / "broken" / LEDGER_NAME, isolation_level=None)) as connection:
        connection.execute("UPDATE chunks SET start = start + 1 WHERE position = 1")
    file = export_library(tmp_path / "broken", tmp_path / "broken.openbook")
    with pytest.raises(LibraryDamaged, match="does not hold together"):
        import_library(file, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()

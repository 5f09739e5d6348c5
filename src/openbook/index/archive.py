"""A library as one file, to keep or to carry to another machine without embedding again.

The file is a zip with two entries: `ledger.sqlite`, a consistent and compact
copy of the ledger with all its vectors, and `manifest.json`, which says what
it is and gives the copy's size and checksum. The derived indexes stay behind;
they are rebuilt where the library is opened.

An archive may come from anybody, so importing trusts nothing in it: entry
names are compared and never used as paths, sizes are limited by what the
manifest says and the disk holds, and the ledger goes through the same checks
as any ledger made by someone else, and all of `Ledger.check`, before the
folder gets its name. Nothing in it is ever run.

Refused: tar (its entries may be links and devices), pickles of any kind, and
writing over a library that exists.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Final

from openbook.errors import LibraryDamaged, LibraryTooNew, StorageFull, UsageError
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.schema import FORMAT_VERSION

MANIFEST_NAME: Final = "manifest.json"
ARCHIVE_KIND: Final = "openbook library"
ARCHIVE_VERSION: Final = 1

_MANIFEST_BYTES: Final = 100_000
_PIECE: Final = 1 << 20
_DEFLATE_LEVEL: Final = 1  # most of a ledger is vectors, which hardly shrink


def export_library(folder: Path, file: Path, *, conversations: bool = True) -> Path:
    """Write the library in `folder` to `file`, which must not exist yet, and return its path.

    Others may search and write meanwhile; the file holds one consistent state.
    Without `conversations`, no byte of them is in it.
    Raises LibraryNotFound, UsageError (the file exists) and StorageFull.
    """
    if file.exists():
        raise UsageError(f"{str(file)!r} exists already; name a file that does not.")
    if not file.parent.is_dir():
        raise UsageError(f"There is no folder {str(file.parent)!r} to write {file.name!r} to.")
    mark = secrets.token_hex(8)
    copy = file.with_name(f".{file.name}.{mark}.sqlite")
    partial = file.with_name(f".{file.name}.{mark}.partial")
    try:
        with Ledger(folder / LEDGER_NAME, read_only=True) as ledger:
            ledger.snapshot(copy)
        if not conversations:
            with Ledger(copy) as copied:
                copied.delete_conversations([one.id for one in copied.conversations()])
                copied.checkpoint()
        with _disk(file):
            _write_archive(copy, partial)
            partial.replace(file)
    finally:
        for name in (copy.name, f"{copy.name}-wal", f"{copy.name}-shm", partial.name):
            file.with_name(name).unlink(missing_ok=True)
    return file


def import_library(file: Path, folder: Path) -> Path:
    """Make a library in `folder` from a file that `export_library` wrote, and return its path.

    Raises UsageError (not such a file, or there is something in `folder`),
    LibraryTooNew, LibraryDamaged (wrong checksum or contents) and StorageFull.
    After an error `folder` is as it was.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{str(folder)!r} exists already and is not empty; name a new folder to import to.")
    if not file.is_file():
        raise UsageError(f"There is no file {str(file)!r} to import.")
    target = folder.absolute()
    partial = target.with_name(f".{target.name}.{secrets.token_hex(8)}.partial")
    try:
        with _disk(target):
            partial.mkdir(parents=True)
            _read_archive(file, partial / LEDGER_NAME)
        _check_ledger(file, partial / LEDGER_NAME)
        with _disk(target):
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _write_archive(copy: Path, target: Path) -> None:
    digest, size = blake2b(digest_size=32), 0
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED, compresslevel=_DEFLATE_LEVEL) as archive:
        with copy.open("rb") as source, archive.open(LEDGER_NAME, "w", force_zip64=True) as entry:
            while piece := source.read(_PIECE):
                digest.update(piece)
                size += len(piece)
                entry.write(piece)
        manifest = {
            "kind": ARCHIVE_KIND,
            "version": ARCHIVE_VERSION,
            "ledger_format": FORMAT_VERSION,
            "created_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ledger_bytes": size,
            "ledger_blake2b": digest.hexdigest(),
        }
        archive.writestr(MANIFEST_NAME, json.dumps(manifest, indent=2))
    with target.open("rb") as written:
        os.fsync(written.fileno())


def _read_archive(file: Path, target: Path) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            _check_entries(file, archive)
            manifest = _manifest(file, archive)
            free = shutil.disk_usage(target.parent).free
            if manifest["ledger_bytes"] > free:
                raise StorageFull(
                    f"Importing {str(file)!r} needs {manifest['ledger_bytes']:,} bytes; {free:,} are "
                    f"free at {str(target.parent.parent)!r}. Free some space and try again."
                )
            with archive.open(LEDGER_NAME) as entry, target.open("xb") as output:
                _copy(file, entry, output, manifest)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise LibraryDamaged(
            f"{str(file)!r} is not a whole export of a library ({error}); copy or export it again."
        ) from error


def _check_entries(file: Path, archive: zipfile.ZipFile) -> None:
    names = sorted(entry.filename for entry in archive.infolist())
    if names != sorted([LEDGER_NAME, MANIFEST_NAME]):
        raise UsageError(
            f"{str(file)!r} is not an export of a library: it holds {names[:5]!r}; "
            f"expected {LEDGER_NAME!r} and {MANIFEST_NAME!r} alone."
        )
    for entry in archive.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or entry.flag_bits & 1:
            raise UsageError(f"{str(file)!r} holds a link or an encrypted entry: {entry.filename!r}.")


def _manifest(file: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    if archive.getinfo(MANIFEST_NAME).file_size > _MANIFEST_BYTES:
        raise UsageError(f"The manifest of {str(file)!r} is over {_MANIFEST_BYTES:,} bytes; not one of ours.")
    try:
        manifest = json.loads(archive.read(MANIFEST_NAME))
    except ValueError as error:
        raise LibraryDamaged(f"The manifest of {str(file)!r} is not JSON ({error}).") from error
    if not isinstance(manifest, dict) or manifest.get("kind") != ARCHIVE_KIND:
        raise UsageError(f"{str(file)!r} is not an export of a library: its manifest does not say so.")
    numbers = [manifest.get(name) for name in ("version", "ledger_format", "ledger_bytes")]
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise LibraryDamaged(f"The manifest of {str(file)!r} lacks a version or a size.")
    if manifest["version"] > ARCHIVE_VERSION or manifest["ledger_format"] > FORMAT_VERSION:
        raise LibraryTooNew(
            f"{str(file)!r} was written by a newer openbook (format {manifest['version']}, ledger format "
            f"{manifest['ledger_format']}). Upgrade this one: pip install --upgrade openbook"
        )
    return manifest


def _copy(file: Path, entry: IO[bytes], output: IO[bytes], manifest: dict[str, Any]) -> None:
    """Unpack the ledger, never more than the manifest says, and compare its checksum."""
    digest, left = blake2b(digest_size=32), int(manifest["ledger_bytes"])
    while piece := entry.read(min(_PIECE, left + 1)):
        left -= len(piece)
        if left < 0:
            break
        digest.update(piece)
        output.write(piece)
    if left != 0 or digest.hexdigest() != manifest.get("ledger_blake2b"):
        raise LibraryDamaged(
            f"The ledger in {str(file)!r} is not what its manifest says (size or checksum); "
            "copy or export it again."
        )
    output.flush()
    os.fsync(output.fileno())


def _check_ledger(file: Path, path: Path) -> None:
    with Ledger(path) as ledger:
        if problems := ledger.check():
            raise LibraryDamaged(
                f"The ledger in {str(file)!r} does not hold together: {'; '.join(problems[:3])}. "
                "Export the library again where it comes from, after `openbook verify` there."
            )


@contextmanager
def _disk(target: Path) -> Iterator[None]:
    """Turn a full disk into StorageFull, and a folder without permission into UsageError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFull(
                f"There is no room to write {str(target)!r} ({error}). Free some space."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise UsageError(f"{str(target)!r} cannot be written ({error}); choose another place.") from error
        raise

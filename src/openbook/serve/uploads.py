"""Files that people hand to a server: streamed to the disk, under names that stay in their folder.

The originals lie in `<library>/uploads`, so that a page of a PDF can be shown
and a newer openbook can read them again. They are no part of an export, which
holds the texts. A file is written under a hidden name that no run of `add`
sees, and gets its own name when all of it is there; the hidden one is locked
while it grows, by which a later server tells a leftover from a file that
another server is still receiving.

Refused: making up a new name where one is taken (the same name again is the
same document, updated), and the system's temporary folder (it may be another
disk, or memory).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final

from openbook.errors import FileTooLarge, LibraryError, StorageFull, UsageError

UPLOADS_NAME: Final = "uploads"
"""Where originals lie in a library's folder."""

NAME_BYTES: Final = 200
"""Longest name in UTF-8; file systems take 255, and the hidden name is longer."""

SPARE_BYTES: Final = 100_000_000
"""What uploads leave free on the disk, so that the library itself can still grow."""

_PIECE: Final = 1 << 20
"""Bytes gathered before they are written: one trip to a thread for each megabyte."""

_SUFFIX_BYTES: Final = 32
_PARTIAL: Final = ".partial"
_UNSEEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')
_DEVICES: Final = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])", re.IGNORECASE)
_MEANINGFUL: Final = frozenset(("__pycache__", "node_modules", "pyvenv.cfg", "ledger.sqlite"))
"""Names by which a walk over a folder knows what to leave out."""


class Uploads:
    """The folder of uploaded files of one library. Thread-safe; made, it sweeps what killed servers left."""

    def __init__(self, folder: Path, limit: int) -> None:
        """`limit` is the most bytes of one file."""
        self.folder = folder
        self._limit = limit
        _sweep(folder)

    async def receive(self, name: str, content: AsyncIterator[bytes], *, expected: int | None = None) -> Path:
        """Write one file under a safe form of its name, and return its path. A known name is replaced.

        `expected` is the size in bytes where it is known before. Nothing of
        the file stays when the transfer breaks off or is cancelled. Raises
        FileTooLarge beyond the limit, StorageFull where the disk would be
        left with too little room, and LibraryError where nothing can be written.
        """
        target = self._folder() / safe_name(name)
        self._check(name, expected or 0)
        partial = target.with_name(f".{secrets.token_hex(8)}{_PARTIAL}")
        try:
            with partial.open("xb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                await self._write(name, content, stream)
                await asyncio.to_thread(_finish, stream, partial, target)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise self._full(name, 0) from error
            if isinstance(error, ConnectionError):
                raise  # the sender's
            raise _unwritable(name, error) from error
        finally:
            partial.unlink(missing_ok=True)
        return target

    def holds(self, root: str) -> bool:
        """Whether a source with this root is this folder."""
        return Path(root) == self.folder.resolve()

    def mark(self, path: str) -> tuple[int, ...]:
        """By what an original is told apart from one that comes in its place; () if there is none."""
        try:
            status = (self.folder / path).stat()
        except OSError:
            return ()
        return status.st_ino, status.st_mtime_ns, status.st_size

    def delete(self, path: str) -> None:
        """Delete an original by its path in this folder; one that is gone already is no error.

        Raises UsageError for a path that leads out of the folder.
        """
        target = self.folder / path
        if not target.parent.resolve().is_relative_to(self.folder.resolve()) or target.name in ("", ".."):
            raise UsageError(f"{path!r} is not the path of an upload; expected one inside its folder.")
        target.unlink(missing_ok=True)

    def _folder(self) -> Path:
        if self.folder.is_symlink():
            raise UsageError(
                f"{str(self.folder)!r} is a link; uploads are only written to a real folder. Remove the link."
            )
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:  # without its parents: where the library was deleted, none is begun anew
            raise _unwritable(str(self.folder), error) from error
        return self.folder

    async def _write(self, name: str, content: AsyncIterator[bytes], stream: BinaryIO) -> None:
        size, piece = 0, bytearray()
        async for block in content:
            size += len(block)
            if size > self._limit:
                self._check(name, size)
            piece += block
            if len(piece) >= _PIECE:
                self._check(name, len(piece))
                await asyncio.to_thread(stream.write, bytes(piece))
                piece.clear()
        self._check(name, len(piece))
        await asyncio.to_thread(stream.write, bytes(piece))

    def _check(self, name: str, more: int) -> None:
        """Refuse so many bytes where they are over the limit, or would fill the disk."""
        if more > self._limit:
            raise FileTooLarge(
                f"{name!r} is larger than the {self._limit:,} bytes that this server takes as one file. "
                "Add it on the server itself with `openbook add`, or raise the limit of uploads."
            )
        if shutil.disk_usage(self.folder).free < more + SPARE_BYTES:
            raise self._full(name, more)

    def _full(self, name: str, more: int) -> StorageFull:
        free = shutil.disk_usage(self.folder).free
        return StorageFull(
            f"{name!r} was not kept: {free:,} bytes are free at {str(self.folder)!r}, "
            f"and {more + SPARE_BYTES:,} are needed ({SPARE_BYTES:,} of them always stay free). "
            "Free some space and upload it again."
        )


def safe_name(name: str) -> str:
    """Return the name under which an upload is kept: visible, without folders, valid on every system.

    Kept are letters of every script and the suffix; invisible, control and
    bidirectional characters go. A name that is safe already is returned as it
    is (in Unicode's NFC).
    """
    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(letter for letter in name if unicodedata.category(letter) not in _UNSEEN)
    name = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", name))
    name = _shortened(" ".join(name.split()).lstrip(". ").rstrip(". "))
    stem = name.split(".", 1)[0].rstrip()
    if _DEVICES.fullmatch(stem) or name.casefold() in _MEANINGFUL:
        name = f"_{name}"
    return name or "upload"


def _shortened(name: str) -> str:
    """Cut the stem so that the name fits, with room for an underscore in front."""
    if len(name.encode()) < NAME_BYTES:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix.encode()) > _SUFFIX_BYTES:
        stem, dot, suffix = name, "", ""
    room = NAME_BYTES - 1 - len((dot + suffix).encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + dot + suffix


def _unwritable(name: str, error: OSError) -> LibraryError:
    return LibraryError(
        f"{name!r} cannot be kept in the library's folder: {error.strerror or error}. Whoever runs the "
        "server has to make that folder writable."
    )


def _finish(stream: BinaryIO, partial: Path, target: Path) -> None:
    stream.flush()
    os.fsync(stream.fileno())
    partial.replace(target)


def _sweep(folder: Path) -> None:
    """Delete partial files that nobody writes any more, and links, by which a folder from elsewhere
    would have files read that are not in it.
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    for file in folder.iterdir():
        if file.is_symlink() or (file.name.endswith(_PARTIAL) and not _being_written(file)):
            file.unlink(missing_ok=True)


def _being_written(file: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), file.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

"""The files of a folder, found before any of them is opened.

Left out in silence is only what the user or a custom says: hidden names,
ignore files, caches, installed packages, openbook's own libraries. All else is
yielded, what cannot be read with the reason, so that a report can name it.

Refused: `Path.rglob` (several times slower, follows or hides links without a
word, and hides folders that cannot be listed), and yielding a linked folder in
its place among its siblings: real folders are walked first, so that a file
keeps its path when somebody adds a link to its folder.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from openbook.errors import UsageError
from openbook.read.ignoring import IGNORE_FILES, Rules, is_ignored, load_rules
from openbook.read.kinds import unsupported_reason

_LEFT_OUT_NAMES: Final = frozenset(("__pycache__", "node_modules"))
_LEFT_OUT_IF_HOLDING: Final = ("pyvenv.cfg", "ledger.sqlite")
"""A virtual environment; an openbook library, whose texts are in their own files already."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a folder, or what keeps it from being read.

    `path` is POSIX, relative to the folder, printable and unique; `file` is
    where the file really is (its name may hold undecodable bytes). With a
    `problem`, `skipped` tells a file that is not for us from a failure.
    """

    path: str
    file: Path
    size: int
    mtime_ns: int
    problem: str = ""
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder to be listed: where it is, its path in the walk ("" or "a/b/"), the rules around it."""

    file: str
    path: str
    rules: tuple[Rules, ...] = ()


@dataclass(slots=True)
class _Listing:
    """A folder's entries, those that are wanted, sorted by name."""

    files: list[tuple[os.DirEntry[str], str]] = field(default_factory=list)
    folders: list[_Folder] = field(default_factory=list)
    links: list[_Folder] = field(default_factory=list)
    problems: list[Found] = field(default_factory=list)


def discover(root: Path, *, below: str = "") -> Iterator[Found]:
    """Walk `root`, or the part `below` it (a POSIX path), and yield its files.

    Order: files of a folder by name, then its folders by name, then what is
    behind links to folders. A folder that cannot be listed is yielded as a
    failure under its own path. A part `below` that the whole walk would leave
    out yields nothing. Raises UsageError for a `below` that leaves `root`.
    """
    parts = [part for part in below.split("/") if part not in ("", ".")]
    if ".." in parts or below.startswith("/"):
        raise UsageError(f"{below!r} is not a path inside {str(root)!r}. Give a path relative to the folder.")
    yield from _Walk(root).walk(parts)


def reaches(root: Path, below: str) -> bool:
    """Whether a walk over `root` comes by the part `below` it, and does not leave it out."""
    return _Walk(root).reaches([part for part in below.split("/") if part not in ("", ".")])


def look_at(file: Path, path: str) -> Found:
    """One file under the name `path`, with its problem where it cannot be read."""
    try:
        status = file.stat()
    except OSError as error:
        return _failure(path, file, error)
    return _found(path, file, status)


class _Walk:
    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._real_root = os.path.realpath(self._root)
        self._visited: set[tuple[int, int]] = set()
        self._links: deque[_Folder] = deque()

    def reaches(self, parts: list[str]) -> bool:
        is_library = os.path.lexists(os.path.join(self._root, "ledger.sqlite"))  # noqa: PTH118
        return not is_library and self._descend(parts) is not None

    def walk(self, parts: list[str]) -> Iterator[Found]:
        start = self._descend(parts)
        if start is None:
            return
        if parts and not os.path.isdir(start.file):  # noqa: PTH112
            yield look_at(Path(start.file), start.path.rstrip("/"))
            return
        yield from self._below(start)
        while self._links:
            link = self._links.popleft()
            refused = self._refuse(link, partial=bool(parts))
            if refused is None:
                yield from self._below(link)
            elif refused:
                yield Found(link.path.rstrip("/"), Path(link.file), 0, 0, refused, skipped=True)

    def _below(self, start: _Folder) -> Iterator[Found]:
        stack = [start]
        while stack:
            folder = stack.pop()
            if self._first_visit(folder):
                listing = self._list(folder)
                yield from listing.problems
                for entry, path in listing.files:
                    yield from _look_at_entry(entry, path)
                self._links.extend(listing.links)
                stack.extend(reversed(listing.folders))

    def _first_visit(self, folder: _Folder) -> bool:
        try:
            status = os.stat(folder.file)  # noqa: PTH116
        except OSError:
            return True  # listing it says what is wrong
        key = (status.st_dev, status.st_ino)
        if key in self._visited:
            return False
        self._visited.add(key)
        return True

    def _list(self, folder: _Folder) -> _Listing:
        listing = _Listing()
        try:
            with os.scandir(folder.file) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            if not folder.path or not isinstance(error, FileNotFoundError):
                listing.problems.append(_unlisted(folder, error))
            return listing
        names = {entry.name for entry in entries}
        if not names.isdisjoint(_LEFT_OUT_IF_HOLDING):
            if folder.path:
                return listing
            if "ledger.sqlite" in names:
                listing.problems.append(_library(folder))
                return listing
        rules, problems = _rules_in(folder, names)
        listing.problems.extend(problems)
        for entry in entries:
            if entry.name[0] != "." and entry.name not in _LEFT_OUT_NAMES:
                _sort_in(listing, entry, folder.path + _printable(entry.name, names), rules)
        return listing

    def _descend(self, parts: Iterable[str]) -> _Folder | None:
        """The folder (or file) at `parts`, with the rules there; None where a walk leaves it out."""
        folder = _Folder(self._root, "")
        for part in parts:
            rules, _ = _rules_in(folder, IGNORE_FILES)
            file = os.path.join(folder.file, part)  # noqa: PTH118
            path = folder.path + _printable(part, ())
            is_folder = os.path.isdir(file)  # noqa: PTH112
            if part[0] == "." or part in _LEFT_OUT_NAMES or is_ignored(path, rules, is_folder=is_folder):
                return None
            folder = _Folder(file, path + "/", rules)
            if is_folder and any(os.path.lexists(os.path.join(file, name)) for name in _LEFT_OUT_IF_HOLDING):  # noqa: PTH118
                return None
            if os.path.islink(file) and is_folder and self._walked_anyway(file):  # noqa: PTH114
                return None
        return folder

    def _refuse(self, link: _Folder, *, partial: bool) -> str | None:
        """Why a link is not followed ("" where it leads nowhere new), None where it is to be followed."""
        target = os.path.realpath(link.file)
        if self._known(target) or (partial and self._walked_anyway(link.file)):
            return ""
        here = os.path.realpath(os.path.dirname(link.file.rstrip("/")))  # noqa: PTH120
        if os.path.commonpath((target, here)) == target:
            path = link.path.rstrip("/")
            return f"{path!r} is a link to {target!r}, a folder around it. Add that folder itself."
        return None

    def _known(self, target: str) -> bool:
        try:
            status = os.stat(target)  # noqa: PTH116
        except OSError:
            return False
        return (status.st_dev, status.st_ino) in self._visited

    def _walked_anyway(self, link: str) -> bool:
        """Whether a walk over the whole root meets the real folder behind `link` without it."""
        target = os.path.realpath(link)
        if target != self._real_root and not target.startswith(self._real_root.rstrip("/") + "/"):
            return False
        inside = os.path.relpath(target, self._real_root)
        return inside == "." or self._descend(inside.split("/")) is not None


def _rules_in(folder: _Folder, names: Iterable[str]) -> tuple[tuple[Rules, ...], list[Found]]:
    """The rules that hold in a folder, its own ignore files among them, and those that cannot be read."""
    present = [name for name in IGNORE_FILES if name in names]
    if not present:
        return folder.rules, []
    own, failures = load_rules(folder.file, folder.path, present)
    problems = [_failure(folder.path + name, Path(folder.file) / name, error) for name, error in failures]
    return ((*folder.rules, own) if own else folder.rules), problems


def _sort_in(listing: _Listing, entry: os.DirEntry[str], path: str, rules: tuple[Rules, ...]) -> None:
    try:
        is_folder = entry.is_dir()
    except OSError:
        is_folder = False  # a link in a circle: looking at it says so
    if rules and is_ignored(path, rules, is_folder=is_folder and not entry.is_symlink()):
        return
    if not is_folder:
        listing.files.append((entry, path))
    else:
        side = listing.links if entry.is_symlink() else listing.folders
        side.append(_Folder(entry.path, path + "/", rules))


def _look_at_entry(entry: os.DirEntry[str], path: str) -> Iterator[Found]:
    """What an entry is; nothing at all if it vanished since its folder was listed."""
    file = Path(entry.path)
    try:
        status = entry.stat()
    except FileNotFoundError as error:
        if entry.is_symlink():
            yield _failure(path, file, error)
        return
    except OSError as error:
        yield _failure(path, file, error)
        return
    yield _found(path, file, status)


def _found(path: str, file: Path, status: os.stat_result) -> Found:
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device, pipe or socket"
        return Found(path, file, 0, 0, f"{path!r} is {kind} and not a regular file.", skipped=True)
    reason = unsupported_reason(path)
    return Found(path, file, status.st_size, status.st_mtime_ns, reason, skipped=bool(reason))


def _failure(path: str, file: Path, error: OSError) -> Found:
    if isinstance(error, FileNotFoundError) and file.is_symlink():
        target = _printable(os.readlink(file), ())  # noqa: PTH115
        words = f"{path!r} is a link to {target!r}, which does not exist. Mend or remove the link."
    else:
        words = f"{path!r} cannot be read: {error.strerror}. Check that it exists and may be read."
    return Found(path, file, 0, 0, words)


def _unlisted(folder: _Folder, error: OSError) -> Found:
    path = folder.path.rstrip("/") or "."
    words = f"The folder {path!r} cannot be listed: {error.strerror}. Check its permissions and its disk."
    return Found(path, Path(folder.file), 0, 0, words)


def _library(folder: _Folder) -> Found:
    words = f"{folder.file!r} is an openbook library itself. Add the folder with the documents."
    return Found(".", Path(folder.file), 0, 0, words, skipped=True)


def _printable(name: str, siblings: Iterable[str]) -> str:
    """A name with undecodable bytes as \\xff; marked with them all where a sibling has that very name."""
    if name.isascii():
        return name
    try:
        name.encode()
    except UnicodeEncodeError:
        raw = os.fsencode(name)
        shown = raw.decode("utf-8", "backslashreplace")
        return f"{shown}~{raw.hex()}" if shown in siblings else shown
    return name

"""What a run will do: a folder's files compared with what the ledger knows of them.

Refused: trusting modification times alone. A file changed within the clock's
granularity of the last look is read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

from openbook.errors import PruneRefused
from openbook.index.records import FileRecord
from openbook.types import OutcomeKind

if TYPE_CHECKING:
    from openbook.read.discover import Found

RACY_SECONDS: Final = 2.0
"""A file touched this shortly before the last look may have changed since with the same time."""


@dataclass(slots=True)
class Plan:
    """What a run will do, before anything is done. Paths are relative to the source."""

    unchanged: list[FileRecord] = field(default_factory=list)
    read: list[Found] = field(default_factory=list)
    moved: list[tuple[FileRecord, Found]] = field(default_factory=list)
    removed: list[FileRecord] = field(default_factory=list)
    problems: list[tuple[Found, OutcomeKind]] = field(default_factory=list)


def plan_source(found: Iterable[Found], records: Mapping[str, FileRecord], *, scope: str = "") -> Plan:
    """Compare a folder's files with what the ledger knows of them.

    `scope` limits removals to paths below it ("" for the whole source).
    """
    plan = Plan()
    new: list[Found] = []
    unreadable: list[str] = []
    seen: set[str] = set()
    for item in found:
        seen.add(item.path)
        record = records.get(item.path)
        if item.problem:
            kind: OutcomeKind = "skipped" if item.skipped else "failed"
            plan.problems.append((item, kind))
            if not item.skipped:
                unreadable.append(item.path)
        elif record is None or record.outcome == "removed":
            new.append(item)
        elif _same(item, record):
            plan.unchanged.append(record)
        else:
            plan.read.append(item)
    missing = [
        record
        for path, record in records.items()
        if path not in seen and record.outcome != "removed" and is_within(path, scope)
    ]
    for record in missing:
        # What lies in a folder that cannot be read is not gone: it keeps its last outcome.
        if any(is_within(record.path, folder) for folder in unreadable):
            plan.unchanged.append(record)
    hidden = {record.path for record in plan.unchanged}
    _pair_moves(plan, new, [record for record in missing if record.path not in hidden])
    return plan


def _same(item: Found, record: FileRecord) -> bool:
    if (item.size, item.mtime_ns) != (record.size, record.mtime_ns) or record.outcome == "failed":
        return False
    checked = datetime.fromisoformat(record.checked_at).timestamp() if record.checked_at else 0.0
    return item.mtime_ns / 1e9 < checked - RACY_SECONDS


def is_within(path: str, folder: str) -> bool:
    """Whether a path is this folder or below it; "" is the folder of all."""
    return folder in ("", ".") or path == folder or path.startswith(f"{folder}/")


def _pair_moves(plan: Plan, new: Sequence[Found], missing: Sequence[FileRecord]) -> None:
    """Recognise new files that hold the bytes of vanished ones; the rest is read or removed."""
    by_content: dict[tuple[int, bytes], list[FileRecord]] = {}
    for record in missing:
        if record.document_id is not None:
            by_content.setdefault((record.size, record.content_hash), []).append(record)
    sizes = {size for size, _ in by_content}
    taken: set[str] = set()
    for item in new:
        twins = by_content.get((item.size, _hash_file(item.file))) if item.size in sizes else None
        if twins:
            record = twins.pop()
            taken.add(record.path)
            plan.moved.append((record, item))
        else:
            plan.read.append(item)
    plan.removed.extend(record for record in missing if record.path not in taken)


def _hash_file(path: Path) -> bytes:
    """BLAKE2b-16 of a file's bytes; empty when it cannot be read (reading it will say why)."""
    digest = blake2b(digest_size=16)
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError:
        return b""
    return digest.digest()


def guard_removals(
    removed: int, in_source: int, in_library: int, *, root: str, any_left: bool, prune: bool
) -> None:
    """Refuse a plan that looks like an unmounted disk rather than a tidy-up.

    All counts are of documents. Raises PruneRefused unless `prune`.
    """
    if prune or removed == 0:
        return
    if not any_left:
        raise PruneRefused(
            f"{root!r} holds no documents any more, but {in_source} were indexed from it. Is its disk "
            "mounted? Nothing was changed. To remove them from the library, add again with --prune "
            "(prune=True)."
        )
    if removed * 2 > in_library:
        raise PruneRefused(
            f"{removed} of the library's {in_library} documents are gone from {root!r}. More than half "
            "is only removed on request: nothing was changed. Add again with --prune (prune=True)."
        )

"""What was measured of a library, kept in its folder: one line of JSON for each evaluation.

    kept.append(entry)   →   LIBRARY/evaluations.jsonl   →   kept.entries()

A line holds ids of questions, ranks, measures and settings: no word of a
document and none of a question, so that nothing here has to vanish with a document. A
line is written at once and to the disk; one that a kill or a full disk cut
short is left out when reading and ended before the next is written. The
file is not part of an export: its times are those of this machine.

A library may come from anybody. The file is not followed where it is a link,
read only up to a limit, and what does not look like an entry is left out.

Refused: a table in the ledger. Measuring would need the write lock, which an
`add` may hold for hours, and older programs could not open the library any more.
"""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from openbook.errors import LibraryError, StorageFull
from openbook.lab.comparing import DECIDING, rank_of

if TYPE_CHECKING:
    from openbook.lab.comparing import Measured
    from openbook.types import LibraryStatus

FILE_NAME: Final = "evaluations.jsonl"
MOST_BYTES: Final = 20_000_000
"""Of a longer file only the newest lines are read."""
BARS: Final = "▁▂▃▄▅▆▇█"
_PLACES: Final = 6


@dataclass(frozen=True, slots=True)
class Entry:
    """One evaluation: when (UTC, ISO 8601), of which set, with which settings, and what came of it.

    `set_mark` is a hash of the questions' ids and labels, so that measures are
    only compared with those of the same set. `intervals` hold low and high ends.
    `ranks` are those of the first right hit of each question, None where there was none.
    """

    at: str
    version: str
    set: str
    set_mark: str
    configuration: str
    settings: Mapping[str, str | float]
    model: str
    documents: int
    chunks: int
    measures: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    ranks: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def deciding(self) -> str:
        """The measure that stands for the evaluation where there is room for one."""
        return next((name for name in DECIDING if self.measures.get(name) is not None), "")


def entry_of(
    measured: Measured,
    *,
    at: str,
    version: str,
    name: str,
    mark: str,
    settings: Mapping[str, str | float],
    status: LibraryStatus,
) -> Entry:
    """What is kept of an evaluation of the set `name` with the hash `mark`."""
    evaluation = measured.evaluation
    return Entry(
        at=at,
        version=version,
        set=name,
        set_mark=mark,
        configuration=measured.configuration.name,
        settings=dict(settings),
        model=status.model,
        documents=status.documents,
        chunks=status.chunks,
        measures={
            name: None if value is None else round(value, _PLACES)
            for name, value in evaluation.measures.items()
        },
        intervals={
            name: (round(interval.low, _PLACES), round(interval.high, _PLACES))
            for name, interval in measured.intervals.items()
        },
        latency_ms={name: round(value, 3) for name, value in evaluation.latency_ms.items()},
        counts=dict(evaluation.counts),
        ranks={question: rank_of(evaluation, question) for question in evaluation.questions.get("mrr", {})},
    )


def append(folder: Path, entries: Sequence[Entry]) -> None:
    """Add entries to the history of the library in `folder`, all or none of them.

    Raises StorageFull, and LibraryError where the file may not be written or is none.
    """
    lines = "".join(json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in entries)
    with _opened(folder / FILE_NAME, os.O_RDWR | os.O_APPEND | os.O_CREAT) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        size = os.fstat(handle).st_size
        cut_short = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        content = (b"\n" if cut_short else b"") + lines.encode("utf-8", "replace")
        try:
            while content:
                content = content[os.write(handle, content) :]
            os.fsync(handle)
        except OSError as error:
            os.ftruncate(handle, size)
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise StorageFull(
                    f"There is no room in {str(folder)!r} to keep a measurement ({error}). Free some space."
                ) from error
            raise


def entries(folder: Path) -> tuple[list[Entry], int]:
    """The history of the library in `folder`, oldest first, and how many lines are none of ours."""
    path = folder / FILE_NAME
    if not path.is_symlink() and not path.exists():
        return [], 0
    with _opened(path, os.O_RDONLY) as handle:
        start = max(0, os.fstat(handle).st_size - MOST_BYTES)
        content = _read(handle, start)
    lines = content.split(b"\n")[1 if start else 0 :]
    found: list[Entry] = []
    strange = 0
    for line in lines:
        if not line.strip():
            continue
        try:
            found.append(_entry(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            strange += 1
    return found, strange


def sparkline(values: Sequence[float]) -> str:
    """Values as bars, the lowest of them at the bottom; equal ones at half the height."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    if high - low < 1e-9:
        return BARS[3] * len(values)
    return "".join(BARS[round((value - low) / (high - low) * (len(BARS) - 1))] for value in values)


def series(history: Iterable[Entry]) -> dict[tuple[str, str], list[Entry]]:
    """Entries that can be compared: of the same set (by name and hash) and the same configuration."""
    found: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in history:
        found.setdefault((entry.set, entry.set_mark, entry.configuration), []).append(entry)
    named: dict[tuple[str, str], list[Entry]] = {}
    for (name, mark, configuration), group in found.items():
        key = (name, configuration)
        named[key if key not in named else (f"{name} ({mark})", configuration)] = group
    return named


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StorageFull(f"There is no room for {str(path)!r}. Free some space.") from error
        raise LibraryError(
            f"{str(path)!r} cannot be opened ({error.strerror}); expected a plain file that may be written."
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise LibraryError(f"{str(path)!r} is no plain file; remove it, and measure again.")
        yield handle
    finally:
        os.close(handle)


def _read(handle: int, start: int) -> bytes:
    pieces: list[bytes] = []
    while piece := os.pread(handle, 1 << 20, start):
        pieces.append(piece)
        start += len(piece)
    return b"".join(pieces)


def _entry(row: Any) -> Entry:
    """The entry that a row means. Raises ValueError, TypeError, KeyError or AttributeError."""
    return Entry(
        **{name: str(row[name]) for name in ("at", "version", "set", "set_mark", "configuration", "model")},
        settings={str(n): v if isinstance(v, int | float) else str(v) for n, v in row["settings"].items()},
        documents=int(row["documents"]),
        chunks=int(row["chunks"]),
        measures={str(n): None if v is None else _finite(v) for n, v in row["measures"].items()},
        intervals={str(n): (_finite(low), _finite(high)) for n, (low, high) in row["intervals"].items()},
        latency_ms={str(n): _finite(v) for n, v in row["latency_ms"].items()},
        counts={str(n): int(v) for n, v in row["counts"].items()},
        ranks={str(n): None if v is None else int(v) for n, v in row["ranks"].items()},
    )


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no measure")
    return number

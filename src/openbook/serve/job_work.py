"""What a job does to a library, and its words between two processes: one JSON object a line.

    to the child     the request; then the pipe stays open for as long as the job is wanted
    from the child   {"progress": …, "rate": …}, and last one of
                     {"report": …}, {"verification": …}, {"error": …, "message": …}, {"stopped": true}

Refused: pickles, which would run code that a broken child makes up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from openbook.errors import OpenbookError
from openbook.serve.uploads import UPLOADS_NAME
from openbook.types import Outcome, Progress, Report, Verification

if TYPE_CHECKING:
    from openbook.library import Library

JobKind: TypeAlias = Literal["sync", "upload", "remove", "verify"]

PROGRESS_SECONDS: Final = 0.1
"""Shortest time between two reports of progress, unless a stage begins or ends."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be done. `paths` are files and folders, or documents' paths and patterns for `remove`."""

    kind: JobKind
    paths: tuple[str, ...] = ()
    documents: tuple[int, ...] = ()
    prune: bool = False
    repair: bool = True


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the work could not be done: the class of the error, and its message."""

    error: str
    message: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The work was interrupted; what it had reported is in the library."""


End: TypeAlias = Report | Verification | Failure | Stopped
Watcher: TypeAlias = Callable[[Progress, float], None]
"""Takes progress, and how many files (or chunks) a second its stage makes (0.0: not known yet)."""


class Pace:
    """Passes progress on, but not more often than a person can read, and says how fast it goes."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._stage = ""
        self._began = self._told = 0.0
        self._first = 0

    def __call__(self, progress: Progress) -> None:
        """Take one step of progress."""
        now = time.monotonic()
        begins = progress.stage != self._stage
        if begins:
            self._stage, self._began, self._first = progress.stage, now, progress.done
        if begins or progress.done == progress.total or now - self._told >= PROGRESS_SECONDS:
            self._told = now
            spent = now - self._began
            self._watcher(progress, (progress.done - self._first) / spent if spent > 0 else 0.0)


def carry_out(library: Library, request: Request, watcher: Watcher) -> End:
    """Do what a job asks of a library. Errors come back as values, an interrupt as `Stopped`."""
    try:
        if request.kind == "verify":
            return library.verify(repair=request.repair)
        if request.kind == "remove":
            return _remove(library, request)
        if request.kind == "upload":
            return _add_uploads(library, request, Pace(watcher))
        return library.add(*request.paths, prune=request.prune, progress=Pace(watcher))
    except KeyboardInterrupt:
        return Stopped()
    except OpenbookError as error:
        return Failure(type(error).__name__, str(error))


def _remove(library: Library, request: Request) -> Report:
    """Remove what is still there: somebody else may have removed some of it since the job was queued."""
    wanted = set(request.documents)
    present = {record.id for record in library.documents() if record.id in wanted} if wanted else set()
    if not present and not request.paths:
        return Report(())
    return library.remove(*request.paths, documents=sorted(present))


def _add_uploads(library: Library, request: Request, progress: Callable[[Progress], None]) -> Report:
    """Bring uploaded files up to date, as parts of one source: the folder that holds them all."""
    folder = library.path.resolve() / UPLOADS_NAME
    known = any(source.root == str(folder) for source in library.sources())
    paths = request.paths if known and request.paths else (str(folder),)
    return library.add(*paths, prune=request.prune, progress=progress)


def request_line(library: str, request: Request) -> str:
    """The request to a child process, which opens the library at this path."""
    return _line({"library": library, **asdict(request)})


def parse_request(line: str) -> tuple[str, Request]:
    """The path of the library, and the request, from `request_line`."""
    words = json.loads(line)
    library = words.pop("library")
    paths, documents = tuple(words.pop("paths")), tuple(words.pop("documents"))
    return library, Request(paths=paths, documents=documents, **words)


def progress_line(progress: Progress, rate: float) -> str:
    """The message that tells progress."""
    return _line({"progress": asdict(progress), "rate": round(rate, 3)})


def end_line(end: End) -> str:
    """The last message."""
    match end:
        case Report():
            return _line({"report": asdict(end)})
        case Verification():
            told = {"problems": end.problems, "repaired": end.repaired, "checked": dict(end.checked)}
            return _line({"verification": told})
        case Failure():
            return _line(asdict(end))
        case Stopped():
            return _line({"stopped": True})


def parse_message(line: str) -> tuple[Progress, float] | End:
    """What a line from a child says."""
    words: dict[str, Any] = json.loads(line)
    if "progress" in words:
        return Progress(**words["progress"]), words["rate"]
    if "report" in words:
        report = words["report"]
        outcomes = tuple(Outcome(**outcome) for outcome in report.pop("outcomes"))
        return Report(outcomes, notes=tuple(report.pop("notes")), **report)
    if "verification" in words:
        told = words["verification"]
        return Verification(tuple(told["problems"]), tuple(told["repaired"]), told["checked"])
    if "error" in words:
        return Failure(**words)
    return Stopped()


def _line(value: dict[str, Any]) -> str:
    """ASCII alone, so that half a surrogate pair in a file's name travels too."""
    return json.dumps(value) + "\n"

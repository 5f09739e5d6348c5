"""Many questions: side by side, each answer written once, and a run that can be killed and goes on.

The file of answers is the only state. An answer is one line of JSON, on the
disk before the next one is written; a line that a kill has torn is cut off and
its question asked again. One process at a time may write to the file.

What failed is reported and not written, so that the next run tries it again;
so is an answer that is not whole. A failure that every question would meet (a
refused key, an unknown model, a damaged library) ends the run at once.

Refused: a journal beside the answers (two files can disagree), answers in the
order of the questions (a slow one would hold back all others, and a kill would
lose them), and a second pass over failures within a run: requests were tried
several times already, and what still fails needs a person or another day.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from openbook.backends.in_threads import in_threads
from openbook.errors import (
    KeyRefused,
    LibraryError,
    MissingExtra,
    ModelUnknown,
    OpenbookError,
    StorageFull,
    UsageError,
)
from openbook.index.conversation_records import storable
from openbook.index.lock import try_lock
from openbook.json_form import json_form
from openbook.types import Answer, Progress

FAILURES_IN_A_ROW: Final = 20
"""So many failures without an answer between them end a run: the rest would fail, too."""
BEAT_SECONDS: Final = 1.0
"""How often a run touches its file of answers, so that the next one knows how long ago it was alive."""
GRACE_SECONDS: Final = 5.0
"""How long a run that is stopped waits for the questions under way."""
_FOR_ALL: Final = (KeyRefused, ModelUnknown, MissingExtra, LibraryError)
_BEGINNING: Final = b'{"id": '


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a batch. Two ids are the same if they are written the same: 7 and "7"."""

    id: str | int
    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that has no answer yet, and why."""

    id: str | int
    question: str
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What a run over many questions did; `questions` = `earlier` + `answered` + failures + `left`.

    `earlier` had their answer before this run, `left` were not asked, because
    the run ended early (`stopped` says why). `not_found` counts those of the
    `answered` that the documents do not answer. `usage` adds up what the
    answers of this run used.
    """

    questions: int
    earlier: int = 0
    answered: int = 0
    not_found: int = 0
    left: int = 0
    failures: tuple[Failure, ...] = ()
    stopped: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def answer_all(
    questions: Iterable[Question],
    ask: Callable[[str], Answer],
    out: Path,
    *,
    parallel: int = 4,
    quiet_seconds: float = 0.0,
    progress: Callable[[Progress], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> BatchReport:
    """Ask every question that has no answer in `out` yet, `parallel` at a time, and append the answers.

    `ask` must bear being called by several threads. `quiet_seconds` have to
    lie between an earlier run on the same file and this one: with limits per
    minute, the minute of the earlier run must be over, however it ended.

    Raises UsageError for two questions with one id, for a file that holds
    something else than answers to these questions, or that another process is
    writing to; StorageFull; and what fails every question. What was written
    until then stays, and the next run goes on from there.
    """
    started = time.monotonic()
    asked = list(questions)
    _check_ids(asked)
    with _AnswerFile.opened(out) as file:
        known = file.read()
        waiting = _without_answer(asked, known, out)
        run = _Run(total=len(asked), earlier=len(asked) - len(waiting), progress=progress or _ignore)
        if waiting:
            pause = quiet_seconds - (time.time() - file.touched)
            if 0 < pause <= quiet_seconds:  # a moment in the future is a clock that was put back
                run.show("until the minute of the run before is over", pause)
                sleep(pause)
            with file.beating():
                run.carry_out(waiting, ask, file, parallel=parallel)
    return run.report(time.monotonic() - started)


class _Run:
    """One run while it goes on: what has come so far."""

    def __init__(self, *, total: int, earlier: int, progress: Callable[[Progress], None]) -> None:
        self.total, self.earlier, self.progress = total, earlier, progress
        self.answered = self.not_found = self.in_a_row = 0
        self.failures: list[Failure] = []
        self.usage: Counter[str] = Counter()
        self.stopped = ""
        self.started = time.monotonic()

    def carry_out(
        self, waiting: Sequence[Question], ask: Callable[[str], Answer], file: _AnswerFile, *, parallel: int
    ) -> None:
        def call(question: Question, _: threading.Event) -> Answer | OpenbookError:
            try:
                return ask(question.text)
            except _FOR_ALL:
                raise
            except OpenbookError as error:
                return error

        threads = max(min(parallel, len(waiting)), 1)
        self.show("")
        results = in_threads(call, waiting, threads=threads, grace=GRACE_SECONDS)
        try:
            for question, result in results:
                self._take(question, result, file)
                self.show(question.text)
                if self.in_a_row >= FAILURES_IN_A_ROW:
                    self.stopped = f"{self.in_a_row} questions failed one after another; no other was asked."
                    break
        finally:
            results.close()  # at once, and not when the collector comes by: it tells the threads to stop

    def _take(self, question: Question, result: Answer | OpenbookError, file: _AnswerFile) -> None:
        if isinstance(result, Answer) and result.complete:
            file.append({"id": question.id, **json_form(result)})
            self.answered += 1
            self.not_found += result.status == "not_found"
            self.usage.update(result.usage)
            self.in_a_row = 0
            return
        if isinstance(result, Answer):
            kind, message = "Incomplete", " ".join(["The answer is not whole.", *result.notes[-1:]])
        else:
            kind, message = type(result).__name__, str(result)
        self.failures.append(Failure(question.id, question.text, kind, message))
        self.in_a_row += 1

    def show(self, item: str, pause: float = 0.0) -> None:
        """Tell how far the run is. The time left is the pause, and the rest at the pace until now."""
        now = self.answered + len(self.failures)
        done, elapsed = self.earlier + now, time.monotonic() - self.started
        eta = pause + elapsed / now * (self.total - done) if now and elapsed > 1 else pause or None
        self.progress(Progress("answering", done, self.total, item, eta))

    def report(self, seconds: float) -> BatchReport:
        return BatchReport(
            questions=self.total,
            earlier=self.earlier,
            answered=self.answered,
            not_found=self.not_found,
            left=self.total - self.earlier - self.answered - len(self.failures),
            failures=tuple(self.failures),
            stopped=self.stopped,
            usage=dict(self.usage),
            seconds=seconds,
        )


@dataclass(frozen=True, slots=True)
class _AnswerFile:
    """The file of answers, locked for this process."""

    path: Path
    file: IO[bytes]
    touched: float
    """When it was last touched before it was opened here, seconds since the epoch; 0 if it is new."""

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[_AnswerFile]:
        """Open or create and lock it, until the context ends."""
        existed = path.exists()
        if existed and not path.is_file():
            raise UsageError(f"The answers cannot be written to {str(path)!r}, which is no file. Name one.")
        try:
            opened = open(path, "ab", buffering=0)  # noqa: SIM115 (closed below)
        except OSError as error:
            raise UsageError(f"The answers cannot be written to {str(path)!r}: {error}.") from error
        with opened as file:
            if not try_lock(file):
                raise UsageError(
                    f"Another process is writing its answers to {str(path)!r}. Wait until it is done, "
                    "or name another file."
                )
            yield cls(path, file, os.fstat(file.fileno()).st_mtime if existed else 0.0)

    def read(self) -> dict[str, str]:
        """The questions by the ids of their answers. Cuts off a line that was torn by a kill.

        Raises UsageError for a file that holds anything else; it is not changed then.
        """
        found: dict[str, str] = {}
        end = 0
        with open(self.path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    if not _is_torn(line):
                        raise self._foreign(number)
                    self.file.truncate(end)
                    break
                try:
                    entry = json.loads(line)
                    if not {"id", "question", "status", "text"} <= entry.keys():
                        raise self._foreign(number)
                except (ValueError, AttributeError, RecursionError) as error:
                    raise self._foreign(number) from error
                found[str(entry["id"])] = str(entry["question"])
                end += len(line)
        return found

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write one line, which is on the disk when this returns."""
        line = json.dumps(entry).encode() + b"\n"  # ASCII: any text fits, and no line ends before its end
        try:
            while line:
                line = line[self.file.write(line) :]
            os.fsync(self.file.fileno())
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise StorageFull(
                    f"No space is left for the answer {entry['id']!r} in {str(self.path)!r}. The answers "
                    "before it are safe; make room and run the same again."
                ) from error
            raise

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Touch the file every second, so that even after a kill it shows how long this run was alive."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.is_set():
                with suppress(OSError):  # a file that has gone is noticed by who writes to it
                    os.utime(self.path)
                ended.wait(BEAT_SECONDS)

        thread = threading.Thread(target=beat, name="openbook-beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _foreign(self, number: int) -> UsageError:
        return UsageError(
            f"{str(self.path)!r} is not a file of answers: line {number} is none. Nothing was changed; "
            "name a new file, or one that an earlier run has written."
        )


def read_questions(file: Path) -> list[Question]:
    """Read a file with a question a line: as text, or as a JSON object with `question` and perhaps `id`.

    Without an id a question has the number of its line. Blank lines are left
    out. Raises UsageError, with the line, for anything else.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The questions {str(file)!r} cannot be read: {error}.") from error
    lines = text.split("\n")  # not splitlines(): a question may hold other line ends
    found = [_question(line.strip(), n, file) for n, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise UsageError(f"{str(file)!r} holds no question. Write one a line.")
    return found


def _question(line: str, number: int, file: Path) -> Question:
    if not line.startswith("{"):
        return Question(number, line)
    where = f"Line {number} of {str(file)!r}"
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is no JSON object: {error}.") from error
    text, name = entry.get("question"), entry.get("id", number)
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"{where} has the question {text!r}; expected text.")
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise UsageError(f"{where} has the id {name!r}; expected a text or a whole number.")
    return Question(name, storable(text))  # half of a surrogate pair would stop every index


def _check_ids(questions: Sequence[Question]) -> None:
    for name, times in Counter(str(question.id) for question in questions).items():
        if times > 1:
            raise UsageError(
                f"{times} questions have the id {name!r}; every id may occur once. "
                "(A question without one has the number of its line.)"
            )


def _without_answer(asked: Sequence[Question], known: Mapping[str, str], out: Path) -> list[Question]:
    for question in asked:
        earlier = known.get(str(question.id), question.text)
        if earlier != question.text:
            raise UsageError(
                f"{str(out)!r} answers another question under the id {question.id!r}: {earlier!r}, not "
                f"{question.text!r}. Name a new file, or give changed questions new ids."
            )
    return [question for question in asked if str(question.id) not in known]


def _is_torn(line: bytes) -> bool:
    """Whether a last line without its end can be what a kill, or a lost power supply, left of an answer."""
    begun = line[: len(_BEGINNING)]
    return _BEGINNING.startswith(begun) or not line.strip(b"\0")


def _ignore(progress: Progress) -> None:
    """Progress that nobody watches."""

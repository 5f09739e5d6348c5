"""A job in a process of its own, seen from both sides: `Child` here, `main` there.

A run of `add` keeps a core busy and needs memory for a model. In a process of
its own, with less right to the processor, it leaves the server quick and its
memory flat; and it can be killed.

The child reads its request from standard input, which then stays open: its end
means stop, whether somebody cancelled the job or the server died, however that
happened. The child then interrupts itself, as Ctrl-C interrupts `openbook add`,
and if that takes too long kills itself with all the reading processes it
started. It has a session of its own, by which the server finds those processes
too when it has to kill them.

Refused: PR_SET_PDEATHSIG (it fires when the thread ends that started the
child, and exists on Linux alone), `multiprocessing` (see `openbook.read.pool`),
and settings on the command line, which everybody on the machine can read.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from openbook.errors import OpenbookError
from openbook.serve.job_work import (
    End,
    Failure,
    Request,
    Watcher,
    carry_out,
    end_line,
    parse_message,
    parse_request,
    progress_line,
    request_line,
)

if TYPE_CHECKING:
    from typing import IO

    from openbook.library import Library

STOP_SECONDS: Final = 5.0
"""How long an interrupted job may take to end before it is killed."""

NICENESS: Final = 10
"""How much a job gives way to searches; 19 would be all."""

_LAST_WORDS: Final = 2_000
_CHILD: Final = (
    "import sys; sys.path[:] = sys.argv[1].split('\\n'); "
    "from openbook.serve.job_process import main; sys.exit(main())"
)


class Child:
    """One job in a process. `run` blocks; `stop` may be called by any thread, at any time."""

    def __init__(self, library: Library, request: Request) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `run`)
        search_path = "\n".join(entry or str(Path.cwd()) for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, search_path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env={**os.environ, **_settings(library)},
            start_new_session=True,
            text=True,
            encoding="utf-8",
        )
        self._input = cast("IO[str]", self._process.stdin)
        self._request = request_line(str(library.path.absolute()), request)
        self._closing = threading.Lock()
        self._killer = threading.Timer(STOP_SECONDS, self._kill)
        self._killer.daemon = True

    @property
    def pid(self) -> int:
        """The number of the process, and of its session."""
        return self._process.pid

    def run(self, watcher: Watcher) -> End:
        """Pass progress on, and return how the job ended when nothing is left of the process."""
        with self._complaints:
            end = self._listen(watcher)
            return end if end is not None else self._died()

    def _listen(self, watcher: Watcher) -> End | None:
        """Its last message, once nothing is left of it; None if it went without one."""
        end: End | None = None
        try:
            with contextlib.suppress(BrokenPipeError, ValueError), self._closing:
                self._input.write(self._request)  # a stopped job has no input any more
                self._input.flush()
            for line in cast("IO[str]", self._process.stdout):
                message = parse_message(line)
                if isinstance(message, tuple):
                    watcher(*message)
                else:
                    end = message
            self._process.wait()
        finally:
            self._bury()
        return end

    def stop(self) -> None:
        """Ask it to end, and kill it if it does not in time. Returns at once."""
        with self._closing:
            if self._input.closed:
                return
            with contextlib.suppress(BrokenPipeError):
                self._input.close()
            self._killer.start()

    def _kill(self) -> None:
        with self._closing:
            if self._process.poll() is None:
                self._process.kill()
                end_session(self._process.pid)

    def _bury(self) -> None:
        self._killer.cancel()
        with self._closing:
            if self._process.poll() is None:
                self._process.kill()
            end_session(self._process.pid)
            self._process.wait()
            with contextlib.suppress(BrokenPipeError):
                self._input.close()
            cast("IO[str]", self._process.stdout).close()

    def _died(self) -> Failure:
        """Its end where it could not tell it itself."""
        file = self._complaints
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _LAST_WORDS))
        words = file.read().decode("utf-8", "replace").strip()
        code = self._process.returncode
        cause = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        hint = " The machine may have run out of memory." if code == -signal.SIGKILL else ""
        last = f" Its last words: {words!r}." if words else ""
        return Failure(
            "JobDied",
            f"The process of this job ended before its work was done ({cause}).{hint}{last} Everything "
            "that it had reported is safely in the library; start the same job again to go on.",
        )


def end_session(leader: int) -> None:
    """Kill every process of a session, where the system lists them (Linux), else the leader's group."""
    if not Path("/proc/self/stat").exists():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        return
    for pid in sorted(session_members(leader), key=lambda pid: pid == os.getpid()):  # itself last
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def session_members(leader: int) -> Iterator[int]:
    """The processes of a session on Linux; none any more once all of it has ended."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getsid(int(folder.name)) == leader:
                    yield int(folder.name)


def _settings(library: Library) -> dict[str, str]:
    """The library's settings as an environment from which the child reads the very same."""
    settings = library.settings
    given = {
        f"OPENBOOK_{field.name.upper()}": str(getattr(settings, field.name)) for field in fields(settings)
    }
    return {**given, "OPENBOOK_SETTINGS": os.devnull}


def main() -> int:
    """The child: do what standard input asks, and stop when it ends. Returns the exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not land between the messages
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    done = threading.Event()

    def tell(line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            answers.write(line)
            answers.flush()

    try:
        line = sys.stdin.readline()
        if not line:
            return 0
        threading.Thread(target=_stop_at_end_of_input, args=(done,), daemon=True).start()
        end = _work(*parse_request(line), lambda progress, rate: tell(progress_line(progress, rate)))
        done.set()
        tell(end_line(end))
    except KeyboardInterrupt:
        return 130
    return 0


def _work(place: str, request: Request, watcher: Watcher) -> End:
    from openbook.library import Library

    try:
        with Library(place, create=False) as library:
            return carry_out(library, request, watcher)
    except OpenbookError as error:
        return Failure(type(error).__name__, str(error))
    except Exception as error:  # noqa: BLE001 (a bug must reach the person who waits for the job)
        traceback.print_exc()
        words = f"Something unexpected happened: {type(error).__name__}: {error}. Please report it."
        return Failure(type(error).__name__, words)


def _stop_at_end_of_input(done: threading.Event) -> None:
    """Interrupt the work when nobody wants it any more, and end everything if that takes too long."""
    while os.read(0, 1):  # not `sys.stdin`, whose lock a thread must not hold when Python ends
        pass
    if done.is_set():
        return
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    done.wait(STOP_SECONDS)
    if not done.is_set():
        end_session(os.getpid())

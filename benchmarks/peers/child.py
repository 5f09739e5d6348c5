"""An adapter as a child process: asked over pipes, with a time limit, its memory watched from outside."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

ROOT: Final = Path(__file__).resolve().parent.parent.parent
SAMPLING: Final = 0.1
"""Seconds between two looks at the memory of the child and its children."""

QUIET: Final = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "LLAMA_INDEX_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "true",
    "OPENBOOK_OFFLINE": "1",
}
"""No model hub, and no usage reports of anybody."""


class Failed(Exception):
    """The system failed at what it was asked; says how."""


class NoWay(Exception):
    """The system documents no way to do that."""


class Child:
    """One adapter process. `ask` sends a request and returns (seconds by the adapter's clock, result)."""

    def __init__(self, command: list[str], variables: Mapping[str, str], *, log: Path) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        environment |= QUIET | dict(variables) | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
        self._log = log.open("ab")
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            command, env=environment, cwd=log.parent, stderr=self._log,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._selector = selectors.DefaultSelector()
        self._rest = b""
        assert self._process.stdout is not None
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self._peak = 0
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    def ask(self, do: str, *, limit: float = 600, **more: Any) -> tuple[float, Any]:
        """Ask for one thing. Raises Failed for a failure, a crash or `limit` seconds of silence, NoWay."""
        assert self._process.stdin is not None
        values = {name: str(v) if isinstance(v, Path) else v for name, v in more.items()}
        try:
            self._process.stdin.write(json.dumps({"do": do} | values).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise Failed(f"the process ended with {self._process.wait()} before {do!r}") from error
        answer = json.loads(self._line(do, time.monotonic() + limit))
        if "no_way" in answer:
            raise NoWay(answer["no_way"])
        if "failure" in answer:
            raise Failed(answer["failure"])
        return float(answer["seconds"]), answer["result"]

    @property
    def peak(self) -> int:
        """The most memory so far, in bytes: of the process and its children together, or its own VmHWM."""
        return max(self._peak, _high_water(self._process.pid))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._watching.join()
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                continue
        try:
            self._process.wait(2 if kind is None else 0.1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _line(self, do: str, deadline: float) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._rest:
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                raise Failed(f"no answer to {do!r} within its time limit")
            block = os.read(self._process.stdout.fileno(), 1 << 16)
            if not block:
                raise Failed(f"the process ended with {self._process.wait()} during {do!r}")
            self._rest += block
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _watch(self) -> None:
        while not self._over.wait(SAMPLING):
            self._peak = max(self._peak, sum(map(_resident, descendants(self._process.pid))))


def descendants(pid: int) -> Iterable[int]:
    """A process and all its children's children."""
    yield pid
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(c) for t in tasks for c in (t / "children").read_text(encoding="ascii").split()]
    except OSError:
        return
    for child in children:
        yield from descendants(child)


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _high_water(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    rows = [line.split() for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(rows[0][1]) * 1024 if rows else 0

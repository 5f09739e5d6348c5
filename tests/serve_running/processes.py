"""`openbook serve` as a process of its own: how it starts, what it says, how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.serve_safety.serving import PATIENCE, Address

_ADDRESS: Final = re.compile(r"openbook serves at http://([\d.]+):(\d+)(\S*)")


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs. `said` are the lines it has printed, `rest` is what the link adds."""

    process: subprocess.Popen[str]
    address: Address
    said: tuple[str, ...]
    rest: str
    log: Path

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to stop, and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def started(folder: Path, *arguments: str, **environment: str) -> Iterator[Running]:
    """Start `openbook serve` in `folder` on a free port; it is killed at the end if it still runs."""
    log = folder / "serve.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command("--port", "0", *arguments),
            cwd=folder,
            env={**os.environ, "OPENBOOK_EMBEDDER": "hash:64", **environment},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            yield _running(process, log)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def ended(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `openbook serve` where it is expected to end by itself."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env={**os.environ, "OPENBOOK_EMBEDDER": "hash:64", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "openbook", "serve", *arguments]


def _running(process: subprocess.Popen[str], log: Path) -> Running:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.rstrip("\n"))
        if found := _ADDRESS.search(line):
            said.append(process.stdout.readline().rstrip("\n"))
            return Running(process, Address(found[1], int(found[2])), tuple(said), found[3], log)
    raise AssertionError(f"the server did not start: {log.read_text()}")

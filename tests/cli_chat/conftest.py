"""A small library, `openbook chat` as a process, and a terminal to type into."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from openbook.library import Library
from openbook.settings import Settings

OPENBOOK = (sys.executable, "-m", "openbook")
SLOW = (sys.executable, str(Path(__file__).with_name("talking_process.py")))
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SETTINGS = Settings(embedder="hash:64", read_workers=1, answer_threshold=0.0)
TEXTS = {
    "birds/heron.md": "# Herons\n\nThe grey heron stands still in shallow water.\n\n"
    "It eats fish and frogs.\n",
    "birds/swift.md": "# Swifts\n\nThe swift sleeps on the wing and lands only to nest.\n",
    "oak.txt": "The oak near the mill is four hundred years old. \x1b[2J\nIts acorns feed the jays.\n",
}


@dataclass(frozen=True)
class Result:
    """What one run did."""

    code: int
    out: str
    err: str


Talk: TypeAlias = Callable[..., Result]


CTRL_C = "\x03"


class Terminal:
    """A process with a terminal of its own, on which Ctrl-C and Ctrl-D mean what they mean."""

    def __init__(self, *command: str) -> None:
        self._control, device = pty.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            command,
            stdin=device,
            stdout=device,
            stderr=device,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 (one call of the system)
            env={**os.environ, "TERM": "dumb", "COLUMNS": "100", "LINES": "30"},
        )
        os.close(device)

    def read_until(self, wanted: str, *, seconds: float = 120) -> str:
        """Read what the process writes until it has written `wanted`, and return that."""
        while wanted not in self.text:
            ready, _, _ = select.select([self._control], [], [], seconds)
            assert ready, f"nothing new in {seconds} s; so far: {self.text!r}"
            assert self._read_some(), f"the process ended before it wrote {wanted!r}: {self.text!r}"
        before, _, self.text = self.text.partition(wanted)
        return before + wanted

    def type(self, text: str) -> None:
        os.write(self._control, text.encode())

    def interrupt(self, wanted: str = "") -> None:
        """Press Ctrl-C until `wanted` is written, or the process ends where nothing is wanted.

        One that arrives just when the prompt has been written, and readline has
        not begun to wait, is noticed with the next key only; a person presses again.
        """
        for _ in range(5):
            self.type(CTRL_C)
            while select.select([self._control], [], [], 10)[0]:
                if not self._read_some():
                    assert not wanted, f"the process ended before it wrote {wanted!r}: {self.text!r}"
                    return
                if wanted and wanted in self.text:
                    self.read_until(wanted)
                    return
        raise AssertionError(f"Ctrl-C had no effect; so far: {self.text!r}")

    def finish(self, *, seconds: float = 120) -> int:
        """Read the rest and return the exit code."""
        while True:
            ready, _, _ = select.select([self._control], [], [], seconds)
            assert ready, f"nothing new in {seconds} s, and no end; so far: {self.text!r}"
            if not self._read_some():
                break
        os.close(self._control)
        return self.process.wait()

    def _read_some(self) -> bool:
        try:
            block = os.read(self._control, 4096)
        except OSError:  # Linux reports the end of a terminal in this way
            return False
        self.text += ESCAPES.sub("", block.decode("utf-8", "replace"))
        return bool(block)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a library that holds three documents; the commands find it and the fake embedder."""
    for name, text in TEXTS.items():
        file = tmp_path / "documents" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENBOOK_EMBEDDER", "hash:64")
    monkeypatch.setenv("OPENBOOK_ANSWER_THRESHOLD", "0")
    with Library(tmp_path / ".openbook", settings=SETTINGS) as made:
        made.add(tmp_path / "documents")
    return tmp_path / ".openbook"


@pytest.fixture
def talk(library: Path) -> Talk:
    """Runs `openbook chat` with lines piped in."""
    del library

    def talking(*lines: str, options: tuple[str, ...] = ()) -> Result:
        done = subprocess.run(
            [*OPENBOOK, "chat", *options],
            input="".join(f"{line}\n" for line in lines),
            capture_output=True,
            text=True,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return talking


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Starts processes on terminals, and ends those that are still running."""
    started: list[Terminal] = []

    def starting(*command: str) -> Terminal:
        started.append(Terminal(*command))
        return started[-1]

    yield starting
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()

"""The command line as real processes: a terminal with progress, Ctrl-C, closed pipes, questions."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

OPENBOOK = [sys.executable, "-m", "openbook"]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A process whose stdin and stderr are a terminal; stdout too, unless `pipe`."""

    def __init__(self, *arguments: str, pipe: bool = False) -> None:
        self._control, device = pty.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            [*OPENBOOK, *arguments],
            stdin=device,
            stdout=subprocess.PIPE if pipe else device,
            stderr=device,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
        )
        os.close(device)

    def read_until(self, wanted: str, *, seconds: float = 120) -> None:
        """Read what the process writes until it has written `wanted`, or fail after `seconds`."""
        while wanted not in self.text:
            ready, _, _ = select.select([self._control], [], [], seconds)
            assert ready, f"nothing new in {seconds} s; so far: {self.text!r}"
            if not self._read_some():
                raise AssertionError(f"the process ended before it wrote {wanted!r}: {self.text!r}")

    def type(self, text: str) -> None:
        os.write(self._control, text.encode())

    def finish(self) -> int:
        """Read the rest and return the exit code."""
        while self._read_some():
            continue
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
def many(folder: Path) -> Path:
    """Enough documents that a run takes a while."""
    for number in range(400):
        words = " ".join(f"word{number}x{position}" for position in range(600))
        (folder / "documents" / f"{number:03}.txt").write_text(words, encoding="utf-8")
    return folder


def status() -> dict[str, int]:
    result = subprocess.run([*OPENBOOK, "status", "--json"], capture_output=True, check=True, text=True)
    found: dict[str, int] = json.loads(result.stdout)
    return found


def test_ctrl_c_says_what_is_safe_and_the_next_run_goes_on(many: Path) -> None:
    terminal = Terminal("add", "documents")
    terminal.read_until("Reading")
    terminal.process.send_signal(signal.SIGINT)
    code = terminal.finish()
    assert code == 130
    assert "safely in the library" in terminal.text
    assert "Traceback" not in terminal.text
    again = subprocess.run(
        [*OPENBOOK, "add", "documents", "--json"], capture_output=True, check=True, text=True
    )
    assert sum(json.loads(again.stdout)["counts"].values()) == 404
    assert status()["documents"] == 404


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    subprocess.run([*OPENBOOK, "add", "documents"], capture_output=True, check=True)
    process = subprocess.Popen(
        [*OPENBOOK, "search", "printer", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_progress_goes_to_the_terminal_and_the_result_to_the_pipe(folder: Path) -> None:
    terminal = Terminal("add", "documents", "--json", pipe=True)
    assert terminal.process.stdout is not None
    out = terminal.process.stdout.read()
    terminal.process.stdout.close()
    assert terminal.finish() == 0
    assert json.loads(out)["counts"] == {"added": 4}
    assert terminal.text == ""


@pytest.mark.parametrize(("reply", "code", "left"), [("n\n", 1, 4), ("y\n", 0, 1)])
def test_removing_much_is_asked_first(folder: Path, reply: str, code: int, left: int) -> None:
    subprocess.run([*OPENBOOK, "add", "documents"], capture_output=True, check=True)
    for name in ("handbook/holidays.md", "handbook/parking.md", "notes.txt"):
        (folder / "documents" / name).unlink()
    terminal = Terminal("add", "documents")
    terminal.read_until("[y/N]")
    terminal.type(reply)
    assert terminal.finish() == code
    assert status()["documents"] == left


def test_removing_much_is_refused_where_nobody_can_be_asked(folder: Path) -> None:
    subprocess.run([*OPENBOOK, "add", "documents"], capture_output=True, check=True)
    for name in ("handbook/holidays.md", "handbook/parking.md", "notes.txt"):
        (folder / "documents" / name).unlink()
    command = [*OPENBOOK, "add", "documents"]
    refused = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "--prune" in refused.stderr
    allowed = subprocess.run(
        [*command, "--prune"], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert allowed.returncode == 0
    assert status()["documents"] == 1


def test_colours_only_where_there_is_a_terminal(folder: Path) -> None:
    subprocess.run([*OPENBOOK, "add", "documents"], capture_output=True, check=True)
    piped = subprocess.run([*OPENBOOK, "search", "printer"], capture_output=True, check=True)
    assert b"\x1b" not in piped.stdout
    assert b"printer" in piped.stdout


def test_a_document_cannot_steer_the_terminal(folder: Path) -> None:
    (folder / "documents" / "evil.txt").write_text(
        "cleared \x1b[2J screen \u202e reversed\n", encoding="utf-8"
    )
    subprocess.run([*OPENBOOK, "add", "documents"], capture_output=True, check=True)
    for option in ("--full", "--json", "--explain"):
        found = subprocess.run(
            [*OPENBOOK, "search", "cleared screen", option], capture_output=True, check=True
        )
        assert b"\x1b" not in found.stdout
        assert "\u202e".encode() not in found.stdout


def test_completion_of_commands(folder: Path) -> None:
    environment = {
        **os.environ,
        "_OPENBOOK_COMPLETE": "complete_bash",
        "COMP_WORDS": "openbook se",
        "COMP_CWORD": "1",
    }
    result = subprocess.run(
        ["openbook"],
        env={**environment, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "search" in result.stdout.split()

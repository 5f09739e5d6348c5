"""Run the examples of the README, and check or rewrite what they print.

    python scripts/run_docs.py            rewrites the transcripts in the README
    python scripts/run_docs.py --check    exit code 1 if a transcript is not what happens

A console block holds commands after `$ ` and what they print. They run one after the
other in a temporary folder that holds `examples/`, with the real program. Times,
sizes and scores are left out of the comparison. Python blocks run in the same folder; an `assert`
in them says what must hold.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent.parent
README = HERE / "README.md"
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARYING = re.compile(r"\d+(\.\d+)? (ms|s|min|kB|MB|GB|B)\b|\b\d\.\d{2,3}\b")
"""Times, sizes and scores: int8 arithmetic differs in the last digits from processor to processor."""
CODES = (0, 3)
"""Exit codes that an example may end with: done, and not found in the documents."""


@dataclass(frozen=True, slots=True)
class Example:
    """A block of the README. `text` is what stands in it, `language` console or python."""

    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an example did. `shown` is the block as it should stand in the README."""

    example: Example
    shown: str
    problem: str = ""


def examples(text: str) -> list[Example]:
    """Return the runnable blocks of a Markdown text, in order."""
    return [
        Example(match.group(1), match.group(2), text.count("\n", 0, match.start()) + 1)
        for match in BLOCK.finditer(text)
    ]


def run_all(text: str) -> Iterator[Outcome]:
    """Run every block in one temporary folder, in order."""
    with TemporaryDirectory(prefix="openbook-docs-") as name:
        folder = Path(name)
        shutil.copytree(HERE / "examples", folder / "examples")
        for example in examples(text):
            yield (
                _run_console(example, folder)
                if example.language == "console"
                else _run_python(example, folder)
            )


def _run_console(example: Example, folder: Path) -> Outcome:
    shown, problem = "", ""
    for command in re.findall(r"^\$ (.*)$", example.text, re.MULTILINE):
        result = _process(["bash", "-c", command], folder)
        shown += f"$ {command}\n{_plain(result.stdout, folder)}\n"
        if result.returncode not in CODES:
            problem = f"{command!r} ended with exit code {result.returncode}: {result.stderr}"
    shown = shown.rstrip("\n") + "\n"
    if not problem and _comparable(shown) != _comparable(example.text):
        problem = f"the transcript is not what happens; it printed:\n{shown}"
    return Outcome(example, shown, problem)


def _run_python(example: Example, folder: Path) -> Outcome:
    result = _process([sys.executable, "-W", "error::ResourceWarning", "-c", example.text], folder)
    return Outcome(example, example.text, result.stderr if result.returncode else "")


def _process(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBOOK_LIBRARY"}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OPENBOOK_OFFLINE": "1",
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )


def _plain(output: str, folder: Path) -> str:
    """Return output without blanks at line ends and without the temporary folder's name."""
    text = output.replace(str(folder.resolve()), "/home/you").replace(str(folder), "/home/you")
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines()) + "\n"


def _comparable(text: str) -> str:
    return VARYING.sub("<varies>", "\n".join(line.rstrip() for line in text.strip().splitlines()))


def main() -> int:
    """Check or rewrite the README."""
    text = README.read_text(encoding="utf-8")
    outcomes = list(run_all(text))
    if "--check" in sys.argv[1:]:
        for outcome in outcomes:
            if outcome.problem:
                print(f"README.md, line {outcome.example.line}: {outcome.problem}", file=sys.stderr)
        return int(any(outcome.problem for outcome in outcomes))
    for outcome in outcomes:
        old = f"```{outcome.example.language}\n{outcome.example.text}```"
        text = text.replace(old, f"```{outcome.example.language}\n{outcome.shown}```", 1)
    README.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

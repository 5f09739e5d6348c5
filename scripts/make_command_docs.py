"""Write docs/commands.md from the help of the commands, or check that it is what they say.

python scripts/make_command_docs.py            writes it
python scripts/make_command_docs.py --check    exit code 1 if it would change
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from openbook.cli.app import COMMANDS, CONVERSATION_COMMANDS, MODEL_COMMANDS

TARGET = Path(__file__).parent.parent / "docs" / "commands.md"
INTRODUCTION = """\
# Commands

<!-- Written by scripts/make_command_docs.py from the commands' own help. Do not edit. -->

Every command that prints a result takes `--json`; errors are then JSON too, on stderr.
"""


def command_lines() -> list[tuple[str, ...]]:
    """Return every command as the words that call it, `openbook` itself first."""
    groups = [(command.name,) for command in COMMANDS]
    models = [("model",), *(("model", command.name) for command in MODEL_COMMANDS)]
    kept = [("conversations", command.name) for command in CONVERSATION_COMMANDS]
    return [(), *groups, ("conversations",), *kept, *models]


def help_text(words: tuple[str, ...]) -> str:
    """Return the help of one command as a terminal of 100 columns shows it."""
    environment = {
        **os.environ,
        "COLUMNS": "100",
        "TERMINAL_WIDTH": "100",
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    environment.pop("OPENBOOK_LIBRARY", None)
    command = [sys.executable, "-m", "openbook", *words, "--help"]
    result = subprocess.run(command, check=True, capture_output=True, encoding="utf-8", env=environment)
    return "\n".join(line.rstrip() for line in result.stdout.strip("\n").splitlines())


def render() -> str:
    """Return the whole page."""
    parts = [INTRODUCTION]
    for words in command_lines():
        title = " ".join(("openbook", *words))
        parts.append(f"## {title}\n\n```text\n{help_text(words)}\n```\n")
    return "\n".join(parts)


def main() -> int:
    """Write or check the page."""
    text = render()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET} is not what the commands say. Run: make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

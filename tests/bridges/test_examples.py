"""Every Python example of docs/frameworks.md runs as it stands there, with names of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "frameworks.md"
SECTION = re.compile(r"^## ([^\n]+)$|^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[str, str]]:
    """(name, code) of every example, in order."""
    found: list[tuple[str, str]] = []
    section = ""
    for match in SECTION.finditer(PAGE.read_text(encoding="utf-8")):
        if match[1]:
            section = match[1]
        else:
            found.append((section, match[2]))
    return found


EXAMPLES = examples()
RUNNER = """
import json, os
examples = json.loads(os.environ["EXAMPLES"])
for section, code in examples:
    exec(compile(code, section, "exec"), {"__name__": "__main__"})
print("ran", len(examples))
"""
"""All in one process, because importing the frameworks is most of the time."""


def test_every_framework_has_an_example() -> None:
    assert {name for name, _ in EXAMPLES} == {
        "LangChain",
        "LlamaIndex",
        "Flask",
        "A plain WSGI application",
        "A plain ASGI application",
    }
    assert all("assert " in code for _, code in EXAMPLES)


def test_every_example_runs(place: Path) -> None:
    environment = {**os.environ, "OPENBOOK_EMBEDDER": "hash:64", "EXAMPLES": json.dumps(EXAMPLES)}
    ended = subprocess.run(
        [sys.executable, "-c", RUNNER],
        cwd=place,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == f"ran {len(EXAMPLES)}"

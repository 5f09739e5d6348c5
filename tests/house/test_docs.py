"""The documents say what happens: help is generated and compared, every example is run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from openbook.cli.app import COMMANDS, CONVERSATION_COMMANDS, MODEL_COMMANDS

ROOT = Path(__file__).parent.parent.parent
SCRIPTS = ROOT / "scripts"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def check(script: str) -> None:
    command = [sys.executable, str(SCRIPTS / script), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_page_of_commands_is_their_help() -> None:
    check("make_command_docs.py")


def test_the_examples_of_the_readme_do_what_they_show(installed_model: Path) -> None:
    check("run_docs.py")


def test_every_command_is_documented() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    groups = {"model": MODEL_COMMANDS, "conversations": CONVERSATION_COMMANDS}
    inner = [(group, command.name) for group, commands in groups.items() for command in commands]
    for words in [*((command.name,) for command in COMMANDS), *inner]:
        name = " ".join(("openbook", *words))
        assert f"## {name}\n" in page
        assert name in readme, f"the README does not mention {name!r}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target!r}, which is not there"


def test_every_make_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    said = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8") + (ROOT / "README.md").read_text(
        encoding="utf-8"
    )
    assert {target for target in targets if f"make {target}" not in said} <= {"clean"}


def test_versions_are_pinned_and_no_index_is_named() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert all(
        re.fullmatch(r"[\w.-]+==[\w.!+-]+", line) for line in pins.splitlines() if not line.startswith("#")
    )
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in pins.splitlines()}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    needed = set(re.findall(r'"([A-Za-z0-9_-]+)>=', project)) - {"hatchling"}
    assert {re.sub(r"[-_.]+", "-", name).lower() for name in needed} <= pinned
    for name in ("pyproject.toml", "constraints.txt", "Makefile", ".ci/run"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"index-url|find-links|https?://", text), f"{name} names a host"

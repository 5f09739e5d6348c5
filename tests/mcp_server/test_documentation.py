"""docs/mcp.md: every configuration in it starts a server that works, and its tables name what there is."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from openbook.serve.mcp_prompts import PROMPTS
from openbook.serve.mcp_resources import TEMPLATE
from openbook.serve.mcp_tools import TOOLS
from tests.mcp_server.test_stdio import ENVIRONMENT

PAGE = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^### ([^\n]+)$|^```(json|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLACES = ("mcpServers", "servers", "context_servers", "mcp_servers")
"""Under which name the assistants keep their servers."""


def configurations() -> list[tuple[str, dict[str, Any]]]:
    """(assistant, its entry for openbook) of every block of the page."""
    found = []
    assistant = ""
    for match in BLOCK.finditer(PAGE):
        if match[1]:
            assistant = match[1]
            continue
        whole = json.loads(match[3]) if match[2] == "json" else tomllib.loads(match[3])
        ((place, servers),) = whole.items()
        assert place in PLACES
        found.append((assistant, servers["openbook"]))
    return found


CONFIGURATIONS = configurations()


def test_the_common_assistants_are_there() -> None:
    named = {assistant for assistant, _ in CONFIGURATIONS}
    assert named == {"Claude Desktop", "Claude Code", "Cursor", "VS Code", "Zed", "Codex", "Gemini CLI"}


def test_every_configuration_starts_a_server_that_works(filled: Path, tmp_path: Path) -> None:
    shutil.copytree(filled / "notes.openbook", tmp_path / ".openbook")

    async def documents(arguments: tuple[str, ...]) -> int:
        server = StdioServerParameters(
            command=sys.executable, args=["-m", "openbook", *arguments], env=ENVIRONMENT, cwd=tmp_path
        )
        async with Client(stdio_client(server)) as client:
            states = (await client.call_tool("status", {})).structured_content["libraries"]
            return int(states[0]["status"]["documents"])

    distinct = set()
    for _, entry in CONFIGURATIONS:
        assert entry["command"] == "openbook"
        written = (argument.replace("/home/me", str(filled)) for argument in entry["args"])
        distinct.add(tuple(written))
    assert len(distinct) == 2, "one with a library, and one that finds the nearest"
    for arguments in distinct:
        assert asyncio.run(documents(arguments)) == 5


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_the_table_names_every_tool_and_argument(tool: Any) -> None:
    (row,) = re.findall(rf"^\| `{tool.name}` \| (.*?) \|", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == set(tool.takes.model_fields)


def test_prompts_and_resources_are_named() -> None:
    assert f"`{TEMPLATE}`" in PAGE
    for prompt in PROMPTS:
        assert f"`{prompt.name}`" in PAGE

"""`openbook mcp` as the process that an assistant starts, and the official client in front of it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from openbook.cli import FAILED, MISUSED, run
from tests.mcp_server.conftest import TEXTS
from tests.model_server.fixtures import StartServer, start_server
from tests.model_server.server import Hang

__all__ = ["start_server"]

COMMAND = [sys.executable, "-m", "openbook", "mcp"]
ENVIRONMENT = {
    **os.environ,
    "OPENBOOK_EMBEDDER": "hash:64",
    "OPENBOOK_SETTINGS": str(Path(__file__).parents[1] / "no-settings.toml"),
}
WAIT = 60
"""Seconds after which a process that should have ended has failed."""


def parameters(*libraries: Path) -> StdioServerParameters:
    """How a client starts the command."""
    named = [argument for library in libraries for argument in ("--library", str(library))]
    return StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], *named], env=ENVIRONMENT)


def message(method: str, number: int | None = None, **params: Any) -> str:
    """One line of the protocol."""
    identity = {} if number is None else {"id": number}
    return json.dumps({"jsonrpc": "2.0", **identity, "method": method, "params": params}) + "\n"


OPENING = message(
    "initialize",
    0,
    protocolVersion="2025-06-18",
    capabilities={},
    clientInfo={"name": "test", "version": "1"},
) + message("notifications/initialized")


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_an_assistant_does_everything_over_standard_streams(filled: Path, era: str) -> None:
    async def visit() -> None:
        server = parameters(filled / "notes.openbook", filled / "other.openbook")
        async with Client(server, mode=era) as client:
            assert client.server_info is not None
            assert client.server_info.name == "openbook"
            assert "never" in (client.instructions or "") or "data" in (client.instructions or "")
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert names == ["search", "ask", "read", "list_documents", "status"]
            found = await client.call_tool("search", {"question": "heron", "k": 1})
            assert found.structured_content["hits"][0]["path"] == "birds/heron.md"
            answer = await client.call_tool("ask", {"question": "What do the acorns feed?"})
            assert answer.structured_content["status"] in ("answered", "not_found")
            part = await client.call_tool("read", {"document": "trees/oak.txt"})
            assert part.structured_content["text"] == TEXTS["trees/oak.txt"]
            listing = await client.call_tool("list_documents", {"library": "other"})
            assert listing.structured_content["total"] == 1
            assert not (await client.call_tool("status", {})).is_error
            assert (await client.call_tool("search", {"question": ""})).is_error
            resources = (await client.list_resources()).resources
            assert (await client.read_resource(resources[0].uri)).contents
            assert (await client.list_resource_templates()).resource_templates
            prompt = await client.get_prompt("answer_from_documents", {"question": "When?"})
            assert prompt.messages

    asyncio.run(visit())


def test_two_assistants_read_one_library_at_the_same_time(filled: Path) -> None:
    async def one(question: str) -> list[str]:
        async with Client(parameters(filled / "notes.openbook")) as client:
            found = await asyncio.gather(
                *(client.call_tool("search", {"question": question, "k": 1}) for _ in range(5))
            )
            return [result.structured_content["hits"][0]["path"] for result in found]

    async def both() -> list[list[str]]:
        return list(await asyncio.gather(one("grey heron"), one("old oak")))

    assert asyncio.run(both()) == [["birds/heron.md"] * 5, ["trees/oak.txt"] * 5]


def test_standard_output_holds_the_protocol_alone_and_the_process_ends_with_its_input(
    filled: Path,
) -> None:
    lines = [
        OPENING,
        "this is no JSON\n",
        message("tools/call", 1, name="search", arguments={"question": "heron"}),
        message("tools/call", 2, name="status"),
    ]
    with subprocess.Popen(
        [*COMMAND, "--library", str(filled / "notes.openbook")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=ENVIRONMENT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("".join(lines))
        process.stdin.flush()
        replies: list[dict[str, Any]] = []
        while {0, 1, 2} - {reply.get("id") for reply in replies}:
            replies.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        assert process.wait(timeout=WAIT) == 0
        rest = process.stdout.read()
    assert rest == ""
    assert all(reply["jsonrpc"] == "2.0" for reply in replies)
    assert all("error" not in reply for reply in replies if reply.get("id") in (1, 2))


def test_a_client_that_stops_reading_ends_the_process_without_a_traceback(filled: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "--library", str(filled / "notes.openbook")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(OPENING)
        process.stdin.flush()
        assert "result" in json.loads(process.stdout.readline())
        process.stdout.close()
        process.stdin.write(message("tools/list", 1))
        process.stdin.flush()
        assert process.wait(timeout=WAIT) == 0
        assert process.stderr.read() == ""
        process.stdin.close()


def test_an_answer_that_is_still_being_written_does_not_hold_up_the_end(
    filled: Path, start_server: StartServer
) -> None:
    server = start_server(Hang())
    environment = {
        **ENVIRONMENT,
        "OPENBOOK_MODEL": "openai:test-model",
        "OPENBOOK_BASE_URL": server.base_url,
    }
    with subprocess.Popen(
        [*COMMAND, "--library", str(filled / "notes.openbook")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(OPENING)
        process.stdin.write(
            message("tools/call", 1, name="ask", arguments={"question": "What does the heron eat?"})
        )
        process.stdin.flush()
        (seen,) = server.wait_for_requests(1)
        process.stdin.close()
        assert process.wait(timeout=20) == 0
    assert not seen.answered.is_set()


def test_the_libraries_may_be_named_by_the_environment(filled: Path) -> None:
    places = os.pathsep.join([str(filled / "notes.openbook"), str(filled / "other.openbook")])

    async def visit() -> list[str]:
        server = StdioServerParameters(
            command=COMMAND[0], args=COMMAND[1:], env={**ENVIRONMENT, "OPENBOOK_LIBRARY": places}
        )
        async with Client(server) as client:
            states = (await client.call_tool("status", {})).structured_content["libraries"]
            return [state["name"] for state in states]

    assert asyncio.run(visit()) == ["notes", "other"]


def test_a_library_that_is_not_there_is_an_error_and_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "nope.openbook"
    assert run(["mcp", "--library", str(place)]) == FAILED
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "There is no library at" in captured.err
    assert not place.exists()


def test_without_the_extra_the_install_line_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("openbook.serve.mcp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp.server.stdio", None)
    assert run(["mcp"]) == MISUSED
    assert 'pip install "openbook[serve]"' in capsys.readouterr().err


def test_a_client_that_leaves_is_no_failure_and_neither_web_page_nor_http_api_is_imported(
    filled: Path,
) -> None:
    code = (
        "import sys, runpy; sys.argv = ['openbook', 'mcp', '--library', sys.argv[1]]\n"
        "try:\n    runpy.run_module('openbook', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "    print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, str(filled / "notes.openbook")]
    ended = subprocess.run(
        command, check=False, input=OPENING, capture_output=True, text=True, env=ENVIRONMENT, timeout=WAIT
    )
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stderr.splitlines()) == 1, "nothing is said but the modules"
    loaded = set(ended.stderr.split())
    assert "mcp" in loaded
    assert not loaded & {"fastapi", "nicegui", "kreuzberg", "pydantic_ai", "openai", "torch"}

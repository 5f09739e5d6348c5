"""MCP under `/mcp` of the whole application, on a real server, and the official client in front of it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from openbook.library import Library
from openbook.serve import server
from openbook.serve.application import create_app
from openbook.serve.desk import Shelf
from openbook.serve.mcp_http import security
from openbook.serve.options import ServeOptions
from tests.mcp_server.conftest import SETTINGS, TEXTS
from tests.model_server.fixtures import StartServer, start_server
from tests.model_server.server import Say

__all__ = ["start_server"]

WAIT = 60
OPENING = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPTED = {"Accept": "application/json, text/event-stream"}


class Started(uvicorn.Server):
    """A server that says when it answers requests."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def serving(
    *places: Path, port: int = 0, settings: Any = SETTINGS, options: ServeOptions | None = None
) -> Iterator[str]:
    """Serve libraries in a thread; yields the address."""
    options = options or ServeOptions(web=False)
    shelf = Shelf.open([Library(place, settings=settings) for place in places], options)
    with server.listening_socket("127.0.0.1", port) as listener:
        config = uvicorn.Config(create_app(shelf, options), log_config=None, timeout_graceful_shutdown=5)
        running = Started(config)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert running.ready.wait(WAIT)
            yield server.address_of(listener)
        finally:
            running.should_exit = True
            thread.join(WAIT)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def address(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with two libraries."""
    place = tmp_path_factory.mktemp("served")
    for name in ("notes.openbook", "other.openbook"):
        shutil.copytree(filled / name, place / name)
    with serving(place / "notes.openbook", place / "other.openbook") as url:
        yield url


@pytest.mark.parametrize(("era", "path"), [("auto", "/mcp"), ("legacy", "/mcp/")])
def test_an_assistant_does_everything_over_http(address: str, era: str, path: str) -> None:
    async def visit() -> None:
        async with Client(f"{address}{path}", mode=era) as client:
            assert client.server_info is not None
            assert client.server_info.name == "openbook"
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert names == ["search", "ask", "read", "list_documents", "status"]
            found = await client.call_tool("search", {"question": "heron", "k": 1})
            assert found.structured_content["hits"][0]["path"] == "birds/heron.md"
            answer = await client.call_tool("ask", {"question": "What does the grey heron eat?"})
            assert answer.structured_content["evidence"]
            part = await client.call_tool("read", {"document": "trees/oak.txt"})
            assert part.structured_content["text"] == TEXTS["trees/oak.txt"]
            listing = await client.call_tool("list_documents", {"library": "other"})
            assert listing.structured_content["total"] == 1
            states = (await client.call_tool("status", {})).structured_content["libraries"]
            assert [state["name"] for state in states] == ["notes", "other"]
            assert (await client.call_tool("search", {"question": ""})).is_error
            resources = (await client.list_resources()).resources
            assert len(resources) == len(TEXTS) + 1
            assert (await client.read_resource(resources[0].uri)).contents
            assert (await client.list_resource_templates()).resource_templates
            assert (await client.get_prompt("answer_from_documents", {"question": "When?"})).messages

    asyncio.run(visit())


def test_many_assistants_ask_at_the_same_time(address: str) -> None:
    async def one(question: str) -> set[str]:
        async with Client(f"{address}/mcp") as client:
            calls = [client.call_tool("search", {"question": question, "k": 1}) for _ in range(10)]
            found = await asyncio.gather(*calls)
            return {result.structured_content["hits"][0]["path"] for result in found}

    async def all_of_them() -> list[set[str]]:
        return list(await asyncio.gather(*(one(question) for question in ["grey heron", "old oak"] * 3)))

    assert asyncio.run(all_of_them()) == [{"birds/heron.md"}, {"trees/oak.txt"}] * 3


def test_an_assistant_goes_on_after_the_server_was_started_anew(place: Path) -> None:
    async def visit() -> list[str]:
        with serving(place / "notes.openbook") as url:
            client = Client(f"{url}/mcp", mode="legacy")
            await client.__aenter__()
            first = await client.call_tool("search", {"question": "heron", "k": 1})
        with serving(place / "notes.openbook", port=int(url.rsplit(":", 1)[1])):
            second = await client.call_tool("search", {"question": "old oak", "k": 1})
            await client.__aexit__(None, None, None)
        return [found.structured_content["hits"][0]["path"] for found in (first, second)]

    assert asyncio.run(visit()) == ["birds/heron.md", "trees/oak.txt"]


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_a_call_that_is_cancelled_stops_the_model(place: Path, start_server: StartServer, era: str) -> None:
    gate = threading.Event()
    # Longer than the buffers of a socket, so that whoever stops reading is noticed.
    model = start_server(Say("It eats fish, frogs and voles [1]. " * 40_000, gate=gate))
    named = {"model": "openai:test-model", "base_url": model.base_url, "answer_tokens": 1_000_000}
    settings = SETTINGS.updated(named, source="the test")

    async def visit(url: str) -> None:
        asked = asyncio.Event()

        async def noted(progress: float, total: float | None, message: str | None) -> None:
            if (message or "").startswith("Asking"):
                asked.set()

        async with Client(f"{url}/mcp", mode=era) as client:
            call = asyncio.create_task(
                client.call_tool("ask", {"question": "What does the heron eat?"}, progress_callback=noted)
            )
            await asyncio.wait_for(asked.wait(), WAIT)
            await asyncio.to_thread(model.wait_for_requests, 1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert not (await client.call_tool("status", {})).is_error
        gate.set()

    with serving(place / "notes.openbook", settings=settings) as url:
        asyncio.run(visit(url))
        (seen,) = model.wait_for_requests(1)
        assert seen.left.wait(WAIT)
    assert not seen.answered.is_set()


def test_a_request_for_another_host_or_from_another_site_is_refused(address: str) -> None:
    with httpx2.Client(headers=ACCEPTED) as client:
        assert client.post(f"{address}/mcp", json=OPENING).status_code == 200
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
            assert client.post(f"{address}/mcp", json=OPENING, headers=headers).status_code in (403, 421)


def test_a_body_that_is_too_large_or_no_json_is_refused(address: str) -> None:
    with httpx2.Client(headers={**ACCEPTED, "Content-Type": "application/json"}) as client:
        assert client.post(f"{address}/mcp", content=b"{" * 3_000_000).status_code == 413
        assert client.post(f"{address}/mcp", content=b"{").status_code == 400


def test_the_token_of_the_server_opens_this_surface_too(place: Path) -> None:
    options = ServeOptions(web=False, token="open-sesame-open-sesame")

    async def visit(url: str) -> int:
        headers = {"Authorization": "Bearer open-sesame-open-sesame"}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
        ):
            return len((await client.list_tools()).tools)

    with serving(place / "notes.openbook", options=options) as url:
        assert httpx2.post(f"{url}/mcp", json=OPENING, headers=ACCEPTED).status_code == 401
        assert asyncio.run(visit(url)) == 5


def test_the_check_of_the_sdk_knows_every_name_that_was_allowed() -> None:
    found = security(ServeOptions(host="::1", hosts=("books.example.org",)))
    assert found.enable_dns_rebinding_protection
    for host in ("127.0.0.1:*", "localhost:*", "[::1]:*", "books.example.org", "books.example.org:*"):
        assert host in found.allowed_hosts
        assert f"https://{host}" in found.allowed_origins
    assert "evil.example" not in found.allowed_hosts
    assert not security(ServeOptions(host="0.0.0.0", token="x" * 20)).enable_dns_rebinding_protection

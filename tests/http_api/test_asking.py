"""Search and ask: as JSON, as server-sent events over a socket, in conversations, with a model that fails."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import httpx2
from starlette.testclient import TestClient

from openbook.answer.language_model import ScriptedModel
from openbook.errors import ReplyBroken
from openbook.events import Event, TokenEvent
from openbook.json_form import json_form
from openbook.library import Library
from openbook.serve.desk import Desk
from openbook.serve.http_api.replies import KEEP_ALIVE, with_keep_alive

QUESTION = "What does the heron eat?"


def events_of(text: str) -> list[tuple[str, Any]]:
    """The events of a stream, in the grammar of the HTML standard."""
    found = []
    for block in text.split("\n\n"):
        lines = [line.partition(": ") for line in block.splitlines() if not line.startswith(":")]
        fields = {name: value for name, _, value in lines}
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_a_search_finds_what_the_library_finds(client: TestClient, library: Library) -> None:
    found = client.post("/api/search", json={"question": QUESTION, "k": 2}).json()
    expected = json_form(library.search(QUESTION, k=2))
    assert found == expected
    assert found["hits"][0]["path"] == "birds/heron.md"
    by_address = client.get("/api/search", params={"q": QUESTION, "k": 2, "explain": "true"}).json()
    assert [hit["chunk_id"] for hit in by_address["hits"]] == [hit["chunk_id"] for hit in found["hits"]]
    assert by_address["hits"][0]["explanation"]


def test_conditions_hold_for_every_hit(client: TestClient) -> None:
    where = [("where", "path=birds/*"), ("where", "path!=*heron*")]
    found = client.get("/api/search", params=[("q", "heron oak swift"), *where]).json()
    assert {hit["path"] for hit in found["hits"]} == {"birds/swift.md"}
    wrong = client.post("/api/search", json={"question": "heron", "where": ["page<many"]})
    assert wrong.status_code == 422
    assert "'page<many'" in wrong.json()["detail"]


def test_an_answer_has_the_one_shape_and_counts_among_the_recent(client: TestClient) -> None:
    answer = client.post("/api/ask", json={"question": QUESTION}).json()
    assert answer["status"] == "answered"
    assert answer["conversation"] is None
    for citation in answer["citations"]:
        assert answer["text"][citation["start"] : citation["end"]]
        evidence = {piece["number"]: piece for piece in answer["evidence"]}[citation["number"]]
        assert citation["quote"] in evidence["text"]
    recent = client.get("/api/stats").json()["recent"]
    assert (recent[0]["kind"], recent[0]["question"], recent[0]["outcome"]) == ("ask", QUESTION, "answered")


def test_events_arrive_over_a_socket(address: str) -> None:
    with httpx2.stream("POST", f"{address}/api/ask", json={"question": QUESTION, "stream": True}) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["cache-control"] == "no-cache"
        events = events_of(reply.read().decode("utf-8"))
    names = [name for name, _ in events]
    assert names[0] == "retrieval"
    assert names[-1] == "verification"
    assert all(event["kind"] == name for name, event in events)
    assert events[-1][1]["answer"]["status"] == "answered"


def test_a_client_that_accepts_events_gets_them_and_one_that_prefers_json_does_not(
    client: TestClient,
) -> None:
    asked = {"question": QUESTION}
    events = client.post("/api/ask", json=asked, headers={"Accept": "text/event-stream"})
    assert events_of(events.text)[-1][0] == "verification"
    both = {"Accept": "application/json, text/event-stream"}
    assert client.post("/api/ask", json=asked, headers=both).json()["status"] == "answered"


def test_a_conversation_is_kept_and_gone_on_with(client: TestClient) -> None:
    begun = client.post("/api/ask", json={"question": QUESTION, "keep": True}).json()["conversation"]
    following = {"question": "And in winter?", "conversation": begun, "stream": True}
    events = events_of(client.post("/api/ask", json=following).text)
    assert events[-1] == ("conversation", {"id": begun, "name": QUESTION})
    turns = client.get(f"/api/conversations/{begun}").json()["turns"]
    assert [turn["question"] for turn in turns] == [QUESTION, "And in winter?"]
    lost = client.post("/api/ask", json={"question": "Hm?", "conversation": 99})
    assert (lost.status_code, lost.json()["type"]) == (404, "urn:openbook:problem:conversation-unknown")


def test_what_needs_a_model_says_so(client: TestClient) -> None:
    for wish in ({"agent": True}, {"schema": {"type": "object"}}):
        refused = client.post("/api/ask", json={"question": QUESTION, **wish})
        assert (refused.status_code, refused.json()["type"]) == (
            409, "urn:openbook:problem:no-language-model",
        )  # fmt: skip


def test_an_answer_that_nobody_waits_for_any_more_is_stopped(address: str, desk: Desk) -> None:
    begun, left = threading.Event(), threading.Event()

    def endless(_question: str, **_options: Any) -> Iterator[Event]:
        try:
            while True:
                begun.set()
                yield TokenEvent("on and ")
        finally:
            left.set()

    desk.ask_stream = endless  # type: ignore[method-assign, assignment]
    content = json.dumps({"question": QUESTION}).encode()
    host, _, port = address.removeprefix("http://").partition(":")
    head = f"POST /api/ask HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(content)}\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + content)
        assert begun.wait(20)
        assert not left.is_set()
    assert left.wait(20)


def test_an_answer_that_the_server_stopped_is_no_answer(client: TestClient, desk: Desk) -> None:
    desk.ask_stream = lambda _question, **_options: iter(())  # type: ignore[method-assign]
    for more in ({}, {"stream": True}):
        stopped = client.post("/api/ask", json={"question": QUESTION, **more})
        assert (stopped.status_code, stopped.json()["type"]) == (503, "urn:openbook:problem:not-ready")
    said = {"model": desk.name, "messages": [{"role": "user", "content": QUESTION}]}
    assert client.post("/v1/chat/completions", json=said).status_code == 503


def test_a_model_that_nobody_allowed_is_refused(client: TestClient) -> None:
    for more in ({}, {"stream": True}, {"agent": True}):
        refused = client.post("/api/ask", json={"question": QUESTION, "model": "openai:gpt-5", **more})
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:openbook:problem:model-refused")
        assert "--allow-model" in refused.json()["detail"]


def test_a_model_that_breaks_off_ends_the_stream_with_a_problem(client: TestClient, desk: Desk) -> None:
    model = ScriptedModel("The heron eats fish [1].", ReplyBroken("The reply stopped halfway."))
    ask_stream = desk.ask_stream

    def with_model(question: str, **options: Any) -> Iterator[Event]:
        return ask_stream(question, **{**options, "model": model})

    desk.ask_stream = with_model  # type: ignore[method-assign]
    assert client.post("/api/ask", json={"question": QUESTION}).json()["generator"] == "scripted"
    broken = client.post("/api/ask", json={"question": QUESTION})
    assert (broken.status_code, broken.json()["type"]) == (502, "urn:openbook:problem:model-reply-broken")
    events = events_of(client.post("/api/ask", json={"question": QUESTION, "stream": True}).text)
    assert [name for name, _ in events if name == "error"] == ["error"]
    assert events[-1][1] == {
        "type": "urn:openbook:problem:model-reply-broken",
        "title": "The language model's reply was broken.",
        "status": 502,
        "detail": "The reply stopped halfway.",
        "instance": "/api/ask",
    }


def test_a_stream_that_is_left_stops_the_answer(address: str, desk: Desk) -> None:
    stopped = threading.Event()
    ask_stream = desk.ask_stream

    def endless(question: str, **options: Any) -> Iterator[Event]:
        try:
            yield from list(ask_stream(question, **options))[:1]
            while True:
                yield TokenEvent("and so on ")
        finally:
            stopped.set()

    desk.ask_stream = endless  # type: ignore[method-assign]
    with httpx2.stream("POST", f"{address}/api/ask", json={"question": QUESTION, "stream": True}) as reply:
        assert next(reply.iter_lines()) == "event: retrieval"
    assert stopped.wait(20)


def test_a_silent_stream_says_that_it_is_still_there() -> None:
    async def run() -> list[bytes]:
        go_on = asyncio.Event()

        async def slow() -> AsyncGenerator[bytes, None]:
            yield b"first"
            await go_on.wait()
            yield b"second"

        seen = []
        async for block in with_keep_alive(slow(), seconds=0.001):
            seen.append(block)
            if block == KEEP_ALIVE:
                go_on.set()
        return seen

    seen = asyncio.run(run())
    assert (seen[0], seen[-1]) == (b"first", b"second")
    assert KEEP_ALIVE in seen

"""The scripted server itself, asked with the standard library's HTTP client."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.model_server.fixtures import StartServer, model_server, start_server
from tests.model_server.server import (
    WAIT,
    CallTool,
    CutOff,
    Empty,
    EndEarly,
    Fail,
    FailInStream,
    Garbage,
    Hang,
    ModelServer,
    Say,
    TooLong,
    UnknownModel,
)

__all__ = ["model_server", "start_server"]


class Client:
    """One connection to a server."""

    def __init__(self, server: ModelServer) -> None:
        address = urlsplit(server.base_url)
        self.connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=WAIT)

    def post(self, path: str = "/v1/chat/completions", **body: Any) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json", "Authorization": "Bearer secret"}
        self.connection.request("POST", path, json.dumps({"model": "test-model", **body}), headers)
        return self.connection.getresponse()

    def ask(self, text: str = "Which city?", **body: Any) -> http.client.HTTPResponse:
        return self.post(messages=[{"role": "user", "content": text}], **body)

    def close(self) -> None:
        self.connection.close()


def events(response: http.client.HTTPResponse) -> list[Any]:
    """The events of a stream, "[DONE]" as that word."""
    lines = [line[6:] for line in response.read().decode().splitlines() if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def content(parts: list[Any]) -> str:
    """The text of a stream's events."""
    deltas = [part["choices"][0]["delta"] for part in parts if part != "[DONE]" and part.get("choices")]
    return "".join(delta.get("content") or "" for delta in deltas)


@pytest.fixture
def client(start_server: StartServer) -> Any:
    made: list[Client] = []

    def make(*script: Any, **options: Any) -> tuple[ModelServer, Client]:
        server = start_server(*script, **options)
        made.append(Client(server))
        return server, made[-1]

    yield make
    for one in made:
        one.close()


def test_a_whole_reply_and_what_the_server_saw(client: Any) -> None:
    server, ask = client("Paris [1].", "Rome.")
    first = json.loads(ask.ask("Which capital?").read())
    assert first["choices"][0]["message"]["content"] == "Paris [1]."
    assert first["choices"][0]["finish_reason"] == "stop"
    assert first["usage"] == {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}
    answers = [json.loads(ask.ask().read())["choices"][0]["message"]["content"] for _ in range(2)]
    assert answers == ["Rome.", "Rome."]
    assert [seen.text for seen in server.requests] == ["Which capital?", "Which city?", "Which city?"]
    assert server.requests[0].headers["authorization"] == "Bearer secret"
    assert server.requests[0].at <= server.requests[1].at
    assert server.connections == 1


def test_a_stream_with_usage(client: Any) -> None:
    _, ask = client(Say("Paris is it [1].", reasoning="hm"))
    parts = events(ask.ask(stream=True, stream_options={"include_usage": True}))
    assert content(parts) == "Paris is it [1]."
    assert parts[-1] == "[DONE]"
    assert parts[-2]["usage"]["completion_tokens"] == 4
    assert parts[-3]["choices"][0]["finish_reason"] == "stop"
    assert not any(part.get("usage") for part in events(ask.ask(stream=True)) if part != "[DONE]")


def test_a_stream_arrives_before_its_end(client: Any) -> None:
    gate = threading.Event()
    _, ask = client(Say("first second", gate=gate))
    response = ask.ask(stream=True)
    while b"first" not in (line := response.readline()):
        assert line
    gate.set()
    assert content(events(response)) == " second"


def test_at_most_so_many_words(client: Any) -> None:
    _, ask = client("one two three")
    assert content(events(ask.ask(stream=True, max_completion_tokens=2))) == "one two"
    whole = json.loads(ask.ask(max_tokens=1).read())["choices"][0]
    assert (whole["message"]["content"], whole["finish_reason"]) == ("one", "length")


def test_calls_of_tools_whole_and_streamed(client: Any) -> None:
    call = CallTool("search", {"query": "joins"})
    _, ask = client((Say("Let me look."), call, CallTool("search", '{"broken": ')))
    message = json.loads(ask.ask().read())["choices"][0]["message"]
    assert [one["function"]["arguments"] for one in message["tool_calls"]] == [
        '{"query": "joins"}',
        '{"broken": ',
    ]
    parts = events(ask.ask(stream=True))
    assert content(parts) == "Let me look."
    pieces: dict[int, str] = {}
    for part in parts[:-1]:
        for delta in part["choices"][0]["delta"].get("tool_calls", ()):
            pieces[delta["index"]] = pieces.get(delta["index"], "") + delta["function"]["arguments"]
    assert pieces == {0: '{"query": "joins"}', 1: '{"broken": '}
    assert parts[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_script_may_look_at_the_request(client: Any) -> None:
    _, ask = client(lambda body: f"You said {body['messages'][0]['content']}")
    assert content(events(ask.ask("hello", stream=True))) == "You said hello"


@pytest.mark.parametrize(
    ("entry", "status", "code"),
    [
        (Fail(500), 500, None),
        (Fail(429, code="rate_limit_exceeded"), 429, "rate_limit_exceeded"),
        (TooLong(), 400, "context_length_exceeded"),
        (UnknownModel(), 404, "model_not_found"),
    ],
)
def test_errors(client: Any, entry: Any, status: int, code: str | None) -> None:
    _, ask = client(entry)
    for stream in (True, False):
        response = ask.ask(stream=stream)
        assert response.status == status
        assert json.loads(response.read())["error"]["code"] == code


def test_retry_after_and_an_echoed_key(client: Any) -> None:
    _, ask = client(Fail(429, retry_after=3), Fail(401, echo_key=True), Fail(502, body="<html>"))
    response = ask.ask()
    assert response.headers["Retry-After"] == "3"
    response.read()
    assert "secret" in json.loads(ask.ask().read())["error"]["message"]
    assert ask.ask().read() == b"<html>"


def test_streams_that_break(client: Any) -> None:
    _, ask = client(CutOff("half of it"), EndEarly("half"), Garbage("half"), FailInStream("half"), Empty())
    with pytest.raises(http.client.IncompleteRead) as broken:
        ask.ask(stream=True).read()
    assert broken.value.partial.endswith(b"\n\n")
    ask.close()
    assert 'finish_reason": "stop' not in ask.ask(stream=True).read().decode()
    with pytest.raises(json.JSONDecodeError):
        events(ask.ask(stream=True))
    assert events(ask.ask(stream=True))[-1]["error"]["code"] == "server_error"
    assert content(events(ask.ask(stream=True))) == ""


def test_bodies_that_break(client: Any) -> None:
    _, ask = client(Garbage(), Garbage("half"), CutOff("half"))
    for _ in range(2):
        with pytest.raises(json.JSONDecodeError):
            json.loads(ask.ask().read())
    with pytest.raises(http.client.IncompleteRead):
        ask.ask().read()


def test_a_hang_ends_when_the_client_leaves(client: Any) -> None:
    server, ask = client(Hang("some text"))
    response = ask.ask(stream=True)
    while b"some" not in response.readline():
        continue
    response.close()
    ask.close()
    assert server.requests[0].left.wait(WAIT)
    assert not server.requests[0].answered.is_set()


def test_a_hang_ends_when_the_server_closes() -> None:
    before = threading.active_count()
    server = ModelServer([Hang()])
    outcome: list[BaseException] = []

    def wait(one: Client) -> None:
        try:
            one.ask()
        except (http.client.HTTPException, ConnectionError) as error:
            outcome.append(error)

    with server:
        one = Client(server)
        waiting = threading.Thread(target=wait, args=(one,))
        waiting.start()
        server.wait_for_requests(1)
    waiting.join(WAIT)
    one.close()
    assert len(outcome) == 1
    assert not server.requests[0].left.is_set()
    assert threading.active_count() == before


def test_the_rate_limit_holds_in_any_window(client: Any) -> None:
    now = [0.0]
    server, ask = client(requests_per_minute=2, clock=lambda: now[0])
    statuses, waits = [], []
    for moment in (0.0, 30.0, 59.0, 60.0, 61.0, 90.0):
        now[0] = moment
        response = ask.ask()
        response.read()
        statuses.append(response.status)
        waits.append(response.headers.get("Retry-After"))
    assert statuses == [200, 200, 429, 200, 429, 200]
    assert waits == [None, None, "1", None, "29", None]
    assert server.violations == 2


def test_random_failures_have_the_share_and_repeat_with_the_seed(client: Any) -> None:
    runs = []
    for _ in range(2):
        _, ask = client(failure_share=0.2, seed=7)
        statuses = []
        for _ in range(200):
            response = ask.ask()
            response.read()
            statuses.append(response.status)
        runs.append(statuses)
    assert runs[0] == runs[1]
    assert 20 <= sum(status != 200 for status in runs[0]) <= 60
    assert set(runs[0]) == {200, 429, 500}


def test_keys_are_checked(client: Any) -> None:
    _, ask = client(key="right")
    assert ask.ask().status == 401


def test_models_are_listed(model_server: ModelServer) -> None:
    ask = Client(model_server)
    ask.connection.request("GET", "/v1/models")
    listed = json.loads(ask.connection.getresponse().read())
    assert [model["id"] for model in listed["data"]] == ["test-model"]
    ask.connection.request("GET", "/elsewhere")
    assert ask.connection.getresponse().status == 404
    ask.close()


def test_vectors_are_the_same_for_the_same_text_and_near_for_shared_words(client: Any) -> None:
    _, ask = client(dimension=256)
    texts = ["join two tables", "Join two tables!", "two tables", "a mountain"]
    answer = json.loads(ask.post("/v1/embeddings", input=texts).read())
    same, again, near, far = (entry["embedding"] for entry in answer["data"])
    assert same == again
    assert sum(value * value for value in same) == pytest.approx(1.0)
    assert sum(map(lambda a, b: a * b, same, near)) > 0.5 > sum(map(lambda a, b: a * b, same, far))
    assert answer["usage"]["prompt_tokens"] == 10
    short = json.loads(ask.post("/v1/embeddings", input="x", dimensions=8).read())
    assert len(short["data"][0]["embedding"]) == 8


def test_vectors_can_fail_too(client: Any) -> None:
    _, ask = client(Fail(500), Garbage("half"), Empty(), CutOff("half"), Fail(429, retry_after=1), "vectors")
    assert ask.post("/v1/embeddings", input="x").status == 500
    ask.close()
    with pytest.raises(json.JSONDecodeError):
        json.loads(ask.post("/v1/embeddings", input="x").read())
    assert json.loads(ask.post("/v1/embeddings", input="x").read())["data"] == []
    with pytest.raises(http.client.IncompleteRead):
        ask.post("/v1/embeddings", input="x").read()
    ask.close()
    assert ask.post("/v1/embeddings", input="x").status == 429
    ask.close()
    assert len(json.loads(ask.post("/v1/embeddings", input=["x", "y"]).read())["data"]) == 2


def test_a_mistake_inside_the_server_is_raised() -> None:
    server = ModelServer([lambda body: body["nothing"]])

    def ask_one() -> None:
        with server:
            one = Client(server)
            with pytest.raises((http.client.HTTPException, ConnectionError)):
                one.ask()
            one.close()

    with pytest.raises(KeyError, match="nothing"):
        ask_one()

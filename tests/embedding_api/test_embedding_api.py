"""The embedding API against a real server on loopback, which misbehaves on demand."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from openbook.backends.embedding_api import BATCH_TEXTS, KEYS, OPENAI, EmbeddingApi
from openbook.backends.limiter import Limiter
from openbook.backends.retrying import LONGEST_WAIT
from openbook.embedders import open_embedder
from openbook.errors import (
    KeyRefused,
    LanguageModelError,
    ModelBusy,
    ModelUnknown,
    ModelUnreachable,
    OpenbookError,
    PromptTooLong,
    ReplyBroken,
    UsageError,
)
from openbook.settings import Settings
from tests.model_server.fixtures import StartServer, start_server
from tests.model_server.replies import vector_of
from tests.model_server.server import CutOff, Empty, Fail, Garbage, Hang, ModelServer, TooLong, UnknownModel

__all__ = ["start_server"]

KEY = "sk-test-5d41402abc4b2a76"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


def embedder_at(server: ModelServer, **options: Any) -> EmbeddingApi:
    chosen: dict[str, Any] = {"url": server.base_url, "sleep": lambda _: None} | options
    return EmbeddingApi("test-model", **chosen)


def bodies(server: ModelServer) -> list[Any]:
    return [seen.body for seen in server.requests]


def test_rows_come_back_in_order_from_many_batches(start_server: StartServer) -> None:
    server = start_server()
    texts = [f"text number {number} of them" for number in range(5 * BATCH_TEXTS + 3)]
    vectors = embedder_at(server, parallel=4).embed(texts, "document")
    assert np.abs(vectors - np.array([vector_of(text, 64) for text in texts])).max() < 1e-6
    assert sorted(len(body["input"]) for body in bodies(server)) == [3, *[BATCH_TEXTS] * 5]


def test_a_batch_is_limited_in_tokens_too(start_server: StartServer) -> None:
    server = start_server()
    embedder = embedder_at(server, limiter=Limiter(tokens_per_minute=100))
    embedder.embed(["word " * 30] * 3, "document")
    assert [len(body["input"]) for body in bodies(server)] == [3]
    server = start_server()
    paused: list[float] = []
    clock = [0.0]

    def sleep(seconds: float) -> None:
        paused.append(seconds)
        clock[0] += seconds

    limiter = Limiter(tokens_per_minute=100, clock=lambda: clock[0], sleep=sleep)
    embedder = embedder_at(server, limiter=limiter, sleep=sleep, parallel=1)  # else all move the clock
    embedder.embed(["word " * 60] * 3, "document")  # the server counts 60 tokens for each
    assert [len(body["input"]) for body in bodies(server)] == [1, 1, 1]
    assert sum(paused) == pytest.approx(120)


def test_a_text_that_no_minute_has_room_for(start_server: StartServer) -> None:
    embedder = embedder_at(start_server(), limiter=Limiter(tokens_per_minute=10))
    with pytest.raises(UsageError, match="tokens_per_minute allows 10"):
        embedder.embed(["word " * 11], "document")


def test_rows_of_any_length_and_order_are_put_right(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.model_server import replies

    def unsorted(handler: Any, answer: Any, entry: Any) -> None:
        answer["data"] = [
            {**row, "embedding": [7 * value for value in row["embedding"]]} for row in answer["data"]
        ][::-1]
        replies.send_json(handler, answer)

    server = start_server()
    expected = embedder_at(server).embed(["one two", "three", "four five six"], "document")
    monkeypatch.setattr(replies, "_send_whole_or_part", unsorted)
    found = embedder_at(server).embed(["one two", "three", "four five six"], "document")
    assert np.abs(found - expected).max() < 1e-6


def test_prefixes_go_in_front_of_what_they_are_for(start_server: StartServer) -> None:
    server = start_server()
    embedder = embedder_at(server, prefixes={"query": "search_query: ", "document": ""})
    embedder.embed(["herons"], "query")
    embedder.embed(["herons"], "document")
    assert [body["input"] for body in bodies(server)] == [["search_query: herons"], ["herons"]]


def test_what_changes_vectors_changes_the_fingerprint(start_server: StartServer) -> None:
    server, moved, other = start_server(), start_server(), start_server(dimension=32)
    embedders = [
        embedder_at(server),
        EmbeddingApi("another-model", url=server.base_url),
        embedder_at(server, dimension=16),
        embedder_at(server, max_tokens=100),
        embedder_at(server, prefixes={"query": "q: "}),
        embedder_at(server, prefixes={"document": "q: "}),
        embedder_at(other),
    ]
    assert len({embedder.fingerprint for embedder in embedders}) == len(embedders)
    assert embedder_at(moved).fingerprint == embedders[0].fingerprint
    assert embedders[2].embed(["herons"], "query").shape == (1, 16)


def test_the_dimension_is_asked_for_once(start_server: StartServer) -> None:
    server = start_server(dimension=48)
    embedder = embedder_at(server)
    assert embedder.dimension == 48
    assert embedder.fingerprint
    assert embedder.name
    assert len(server.requests) == 1
    assert EmbeddingApi("text-embedding-3-small").dimension == 1536  # known, nobody is asked


def test_vectors_of_another_length_are_refused(start_server: StartServer) -> None:
    server = start_server(dimension=48)
    embedder = embedder_at(server)
    embedder.embed(["herons"], "query")
    server.dimension = 64
    with pytest.raises(ReplyBroken, match=r"length 64; expected 48"):
        embedder.embed(["herons"], "query")


def test_long_texts_are_cut_before_they_leave(start_server: StartServer) -> None:
    server = start_server()
    embedder = embedder_at(server, max_tokens=4)
    embedder.embed(["one two four ten and more", "half: \ud83d pair"], "document")
    assert bodies(server)[0]["input"] == ["one two four ten ", "half: ? pair"]
    assert embedder.count_tokens(["one two four ten and more"]) == [6]


def too_long_above(characters: int) -> Callable[[Any], Any]:
    """A server that takes no text longer than this, and no more than two at a time."""

    def entry(body: Any) -> Any:
        too_many = len(body["input"]) > 2
        return TooLong() if too_many or any(len(text) > characters for text in body["input"]) else "ok"

    return entry


def test_a_batch_that_is_too_large_is_halved_and_a_text_cut(start_server: StartServer) -> None:
    server = start_server(too_long_above(200))
    texts = ["herons eat fish " * 20, "swifts", "oaks", "jays", "voles and frogs"]
    vectors = embedder_at(server).embed(texts, "document")
    alone = np.concatenate([embedder_at(server).embed([text], "document") for text in texts])
    assert np.array_equal(vectors, alone)


def test_a_server_that_finds_everything_too_long(start_server: StartServer) -> None:
    with pytest.raises(PromptTooLong, match="embedding_tokens"):
        embedder_at(start_server(TooLong())).embed(["herons eat fish " * 20], "document")


@pytest.mark.parametrize(
    "failure",
    [Fail(429), Fail(500), Fail(503, body="<html>busy</html>"), CutOff("x"), Garbage(), Garbage("x")],
    ids=repr,
)
def test_a_passing_failure_is_tried_again(start_server: StartServer, failure: Any) -> None:
    server = start_server(failure, failure, "ok")
    assert embedder_at(server, retries=2).embed(["herons"], "query").shape == (1, 64)
    assert len(server.requests) == 3


def test_the_server_says_when_and_everybody_waits(start_server: StartServer) -> None:
    server = start_server(Fail(429, retry_after=7), "ok")
    clock, slept = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    limiter = Limiter(clock=lambda: clock[0], sleep=sleep)
    embedder_at(server, limiter=limiter, sleep=sleep).embed(["herons"], "query")
    assert 7 <= slept[0] <= 8.5
    server = start_server(Fail(429, retry_after=60))
    with pytest.raises(ModelBusy):
        embedder_at(server, limiter=limiter, retries=0).embed(["herons"], "query")
    slept.clear()
    limiter.acquire()
    assert sum(slept) == pytest.approx(60)


ERRORS: list[tuple[Any, type[OpenbookError], str]] = [
    (Fail(401, echo_key=True), KeyRefused, "OPENAI_API_KEY"),
    (Fail(403, echo_key=True), KeyRefused, "OPENAI_API_KEY"),
    (UnknownModel(), ModelUnknown, "'test-model'"),
    (Fail(404, body="<html>nothing here</html>"), ModelUnknown, "embedding_url"),
    (Fail(429, echo_key=True), ModelBusy, r"429 \('Rate limit reached.*Tried 3 times"),
    (Fail(500, echo_key=True), ModelBusy, "500"),
    (Fail(429, retry_after=LONGEST_WAIT * 30), ModelBusy, "left alone for 3600 s"),
    (Fail(429, code="insufficient_quota"), ModelBusy, "no credit"),
    (Fail(400, message="unknown parameter", echo_key=True), LanguageModelError, "unknown parameter"),
    (Fail(301, headers={"Location": "http://127.0.0.1:9/"}), LanguageModelError, "301"),
    (Fail(200, body="[]"), ReplyBroken, "without 'data'"),
    (Fail(200, body='{"data": {}}'), ReplyBroken, "without 'data'"),
    (Fail(200, body='{"data": [1]}'), ReplyBroken, "no vectors"),
    (Fail(200, body='{"data": [{"index": 0}]}'), ReplyBroken, "no vectors"),
    (Fail(200, body='{"data": [{"index": 0, "embedding": ["a"]}]}'), ReplyBroken, "no vectors"),
    (Fail(200, body='{"data": [{"index": 0, "embedding": []}]}'), ReplyBroken, "no direction|rows"),
    (Fail(200, body='{"data": [{"index": 0, "embedding": [0, 0]}]}'), ReplyBroken, "no direction"),
    (Fail(200, body='{"data": [{"index": 0, "embedding": [NaN, 1]}]}'), ReplyBroken, "finite"),
    (Fail(200, body='{"data": [{"index": 0, "embedding": 1}]}'), ReplyBroken, "rows"),
    (Empty(), ReplyBroken, "0 rows for 1 texts"),
    (Fail(200, body='{"data": [{"index": 0, "embedding": [1e39, 1]}]}'), ReplyBroken, "finite"),
    (Fail(200, body='{"data": [{"index": 0, "embedding": [1%s]}]}' % ("0" * 400)), ReplyBroken, "vectors"),
    (Fail(200, body='{"data": [{"index": Infinity, "embedding": [1]}]}'), ReplyBroken, "vectors"),
    (Fail(200, body="[" * 100_000), ReplyBroken, "no JSON"),
    (Fail(200, body=f"Bearer {KEY} is no JSON"), ReplyBroken, "Bearer … is"),
    (Fail(200, body="this is not gzip", headers={"Content-Encoding": "gzip"}), ReplyBroken, "broke before"),
    (Garbage(), ReplyBroken, "no JSON.*Tried 3 times"),
    (CutOff("x"), ReplyBroken, "broke before"),
]


@pytest.mark.parametrize(("entry", "kind", "words"), ERRORS, ids=lambda value: repr(value)[:50])
def test_each_failure_is_a_clear_error_without_the_key(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch, entry: Any, kind: type[Exception], words: str
) -> None:
    monkeypatch.setenv("OPENBOOK_MODEL_KEY", KEY)
    embedder = embedder_at(start_server(entry), retries=2)
    with pytest.raises(kind, match=words) as raised:
        embedder.embed(["herons"], "query")
    assert type(raised.value) is kind
    error: BaseException | None = raised.value
    while error is not None:
        assert not hasattr(error, "request"), "the client's errors hold the key"
        error = error.__cause__ or error.__context__
    told = repr(embedder) + str(raised.getrepr(style="long", showlocals=False))
    assert KEY not in told
    assert KEY[:12] not in told


def test_a_server_that_is_silent(start_server: StartServer) -> None:
    embedder = embedder_at(start_server(Hang()), retries=0, seconds=0.05)
    with pytest.raises(ModelUnreachable, match=r"within 0.05 s \(setting model_seconds\)"):
        embedder.embed(["herons"], "query")


def test_nobody_at_the_address(start_server: StartServer) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else can take the port meanwhile
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        slept: list[float] = []
        embedder = EmbeddingApi("m", url=url, sleep=slept.append)
        with pytest.raises(ModelUnreachable, match=r"Nobody answers at 'http://127.*embedding_url"):
            embedder.embed(["herons"], "query")
        assert not slept, "somebody who was never there is not waited for"
    server = start_server()
    embedder = EmbeddingApi("m", url=server.base_url, sleep=slept.append)
    embedder.embed(["herons"], "query")
    server.close()
    with pytest.raises(ModelUnreachable, match="Tried 5 times"):
        embedder.embed(["herons"], "query")
    assert len(slept) == 4


def test_the_key_comes_from_the_environment_alone(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server()
    embedder_at(server).embed(["herons"], "query")
    monkeypatch.setenv("OPENBOOK_MODEL_KEY", f"{KEY}\n")
    embedder = embedder_at(server)
    embedder.embed(["herons"], "query")
    sent = [seen.headers.get("authorization") for seen in server.requests]
    assert sent == [None, f"Bearer {KEY}"]
    assert KEY not in embedder.fingerprint + embedder.name + repr(embedder)


def test_the_key_for_openai_goes_to_nobody_else(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = start_server()
    embedder_at(server).embed(["herons"], "query")
    assert [seen.headers.get("authorization") for seen in server.requests] == [None]
    assert EmbeddingApi("m", url=f"{OPENAI}/")._endpoint._key == KEY
    assert EmbeddingApi("m", url=OPENAI.replace("https", "http"))._endpoint._key == ""


def test_a_wait_that_nobody_waits_for_holds_nobody_up(start_server: StartServer) -> None:
    slept: list[float] = []
    limiter = Limiter(clock=lambda: 0.0, sleep=slept.append)
    embedder = embedder_at(start_server(Fail(429, retry_after=LONGEST_WAIT + 1)), limiter=limiter)
    with pytest.raises(ModelBusy, match="left alone"):
        embedder.embed(["herons"], "query")
    assert limiter._paused_until < 0
    assert slept == []


def test_a_key_that_cannot_be_one_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-söme thing")
    with pytest.raises(KeyRefused, match="plain ASCII") as raised:
        EmbeddingApi("m")
    assert "thing" not in str(raised.value)


def test_openai_is_asked_nothing_without_a_key() -> None:
    with pytest.raises(KeyRefused, match="none was given"):
        EmbeddingApi("text-embedding-3-small").embed(["a secret"], "query")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:80/v1",
        "file:///etc",
        "http://",
        "http://me:secret@host/v1",
        "ftp://me:secret@host/v1",
        "me:secret@host:80/v1",
        "http://[::1",
        "http://host:99999/v1",
        "http://host/v1?key=secret",
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(UsageError, match="embedding_url") as raised:
        EmbeddingApi("m", url=url)
    assert "secret" not in str(raised.value)


def test_an_embedder_without_a_name() -> None:
    with pytest.raises(UsageError, match="openai:NAME"):
        EmbeddingApi("")


def test_settings_name_the_embedder(start_server: StartServer) -> None:
    server = start_server()
    settings = Settings(
        embedder="openai:test-model",
        embedding_url=server.base_url,
        embedding_dimension=24,
        embedding_query_prefix="q: ",
        offline=True,  # this machine is no network
    )
    embedder = open_embedder(settings)
    assert embedder is not None
    assert not server.requests
    assert embedder.embed(["herons"], "query").shape == (1, 24)
    assert server.requests[0]["input"] == ["q: herons"]
    with pytest.raises(UsageError, match=r"offline forbids"):
        open_embedder(Settings(embedder="openai:test-model", offline=True))
    for url in ("http://localhost.example.org/v1", "http://10.0.0.1/v1", "http://127.0.0.1.example.org/v1"):
        with pytest.raises(UsageError, match=r"offline forbids"):
            open_embedder(Settings(embedder="openai:test-model", offline=True, embedding_url=url))


def test_what_it_needs_is_imported_when_it_is_used() -> None:
    code = (
        "import sys; from openbook.embedders import open_embedder; from openbook.settings import Settings;"
        "open_embedder(Settings(embedder='openai:m')); print(*sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=dict(os.environ)
    )
    assert not {"httpx2", "openai", "tenacity", "pydantic_ai"} & set(result.stdout.split())


def test_an_error_in_one_batch_ends_all(start_server: StartServer) -> None:
    server = start_server(lambda body: Fail(400, message="no") if "bad" in body["input"] else "ok")
    texts = ["bad", *["good"] * (10 * BATCH_TEXTS)]
    with pytest.raises(LanguageModelError, match="no"):
        embedder_at(server, parallel=2).embed(texts, "document")
    assert len(server.requests) <= 11

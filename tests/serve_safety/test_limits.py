"""Too much, too often, too slow, too many: each ends the request and not the server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from openbook.serve.guard.bodies import ADDRESS_BYTES, FILES
from openbook.serve.guard.rates import BURST_SECONDS, Paced, client_of
from openbook.serve.logs import Served
from openbook.serve.options import ServeOptions
from openbook.serve.protocol import HEAD_BYTES
from tests.serve_safety.serving import (
    PATIENCE,
    TOKEN,
    Address,
    answer_of,
    call,
    connected,
    echo,
    raw,
    serving,
    websocket,
)

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

BODY = 100_000
UPLOAD = "/api/documents/upload"
STALL = 1.0
"""Seconds; what is asserted is that the connection ends, not when."""


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    with serving(echo, ServeOptions(body_bytes=BODY, upload_bytes=BODY)) as address:
        yield address


@pytest.fixture(scope="module")
def hurried() -> Iterator[Address]:
    with serving(echo, ServeOptions(stall_seconds=STALL)) as address:
        yield address


def test_a_body_that_announces_too_much_is_refused_before_it_is_read(server: Address) -> None:
    head = f"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {5 * 10**9}\r\n\r\n".encode()
    answer = raw(server, head)
    assert (answer.status, answer.problem) == (413, "too-large")
    assert answer.headers["connection"] == "close"
    assert f"{BODY:,}" in answer.json["detail"]


def test_a_polite_client_learns_it_before_it_sends_the_body(server: Address) -> None:
    head = (
        b"POST /x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5000000000\r\n\r\n"
    )
    assert raw(server, head).status == 413


def test_a_body_that_does_not_say_its_length_is_cut_off_at_the_limit(server: Address) -> None:
    answer = call(server, "POST", "/x", {}, (b"x" * 50_000 for _ in range(4)))
    assert (answer.status, answer.problem) == (413, "too-large")
    assert call(server, "POST", "/x", {}, (b"x" * 50_000 for _ in range(2))).status == 200


def test_a_body_at_the_limit_is_served(server: Address) -> None:
    assert len(call(server, "POST", "/x", {}, b"x" * BODY).body) == len(b"POST /x ") + BODY
    assert call(server, "POST", "/x", {}, b"x" * (BODY + 1)).status == 413


def test_uploads_have_a_limit_of_their_own(server: Address) -> None:
    assert call(server, "POST", UPLOAD, {}, b"x" * FILES * BODY).status == 200
    assert call(server, "POST", UPLOAD, {}, b"x" * (FILES * BODY + 1)).status == 413
    for other in (f"{UPLOAD}/../x", f"/x{UPLOAD}", f"{UPLOAD}%2fx"):
        assert call(server, "POST", other, {}, b"x" * (BODY + 1)).status == 413


@pytest.mark.parametrize("length", ["-1", "1e9", "5000000000x", "+5", "5,5", "\u0665"])
def test_a_length_that_is_no_number_is_no_request(server: Address, length: str) -> None:
    head = f"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\nabcde".encode()
    assert raw(server, head).status == 400


def test_a_length_and_chunks_together_are_no_request(server: Address) -> None:
    """Two readings of where a request ends let one request hide in another ("smuggling")."""
    both = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    assert raw(server, b"POST /x HTTP/1.1\r\nHost: localhost\r\n" + both).status == 400


def test_a_long_address_is_refused(server: Address) -> None:
    assert call(server, "GET", f"/x?q={'a' * (ADDRESS_BYTES - 10)}").status == 200
    answer = call(server, "GET", f"/x?q={'a' * ADDRESS_BYTES}")
    assert (answer.status, answer.problem) == (414, "address-too-long")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /x?q=" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-Much: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: localhost\r\n" + b"X-Many: a\r\n" * 100_000 + b"\r\n",
        b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-Much: " + b"a" * (HEAD_BYTES + 1) + b"\r\n\r\n",
    ],
    ids=["query", "header", "headers", "just"],
)
def test_a_huge_head_is_refused(server: Address, head: bytes) -> None:
    with connected(server) as connection:
        try:
            connection.sendall(head)
        except ConnectionError:
            return  # the server hung up before all of it was sent
        assert answer_of(connection).status in (0, 431), "0: it hung up as we were still sending"
    assert call(server, "GET", "/x").status == 200


def test_headers_of_a_second_request_count_by_themselves(server: Address) -> None:
    one = b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-Much: " + b"a" * (HEAD_BYTES // 2) + b"\r\n\r\n"
    with connected(server) as connection:
        for _ in range(5):
            connection.sendall(one)
            assert answer_of(connection).status == 200


def test_who_never_ends_a_head_is_hung_up_on(hurried: Address) -> None:
    with connected(hurried) as silent, connected(hurried) as halfway, connected(hurried) as blank:
        halfway.sendall(b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        blank.sendall(b"\r\n")
        assert call(hurried, "GET", "/x").status == 200, "others are served meanwhile"
        for connection in (silent, halfway, blank):
            assert answer_of(connection).status == 408
            assert connection.recv(1) == b""


def test_a_head_that_trickles_has_no_more_time_than_one_that_stalls(hurried: Address) -> None:
    with connected(hurried) as connection:
        connection.settimeout(STALL / 10)
        for _ in range(10_000):
            try:
                connection.sendall(b"X")
                if connection.recv(1) == b"H":  # of "HTTP/1.1 408 Request Timeout"
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
    pytest.fail("the connection never ended")


def test_a_body_that_stalls_is_given_up(hurried: Address) -> None:
    for head in (b"Content-Length: 1000\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"):
        answer = raw(hurried, b"POST /x HTTP/1.1\r\nHost: localhost\r\n" + head)
        assert (answer.status, answer.problem) == (408, "too-slow")


def test_a_login_that_stalls_is_given_up_too() -> None:
    with serving(echo, ServeOptions(stall_seconds=STALL, token=TOKEN)) as address:
        head = (
            b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        )
        answer = raw(address, head + b"Content-Length: 100\r\n\r\ntoken=")
        assert (answer.status, answer.problem) == (408, "too-slow")


def test_a_body_that_trickles_is_given_up(hurried: Address) -> None:
    with connected(hurried) as connection:
        connection.sendall(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
        connection.settimeout(STALL / 10)
        for _ in range(10_000):
            try:
                connection.sendall(b"x")
                if connection.recv(1) == b"H":
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
    pytest.fail("the connection never ended")


def test_who_does_not_read_the_answer_is_hung_up_on() -> None:
    ended = threading.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/endless":
            await echo(scope, receive, send)
            return
        await receive()
        gone = asyncio.ensure_future(receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not gone.done():
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
            await asyncio.sleep(0)

    def observe(served: Served) -> None:
        if served.route == "" and served.bytes > 1_000:
            ended.set()

    with serving(endless, ServeOptions(stall_seconds=STALL), observe) as address, connected(address) as one:
        one.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert ended.wait(PATIENCE)
        assert call(address, "GET", "/x").status == 200


def test_so_many_connections_and_no_more() -> None:
    request = b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with serving(echo, ServeOptions(connections=20)) as address:
        with ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(connected(address)).sendall(b"G")
            assert answer_of(stack.enter_context(connected(address))).status == 503
        assert any(raw(address, request).status == 200 for _ in range(1_000)), "there is room again"


def test_a_client_that_calls_too_often_is_told_when_to_come_back() -> None:
    with serving(echo, ServeOptions(requests_per_minute=12)) as address:
        assert [call(address, "GET", "/x").status for _ in range(3)] == [200, 200, 429]
        answer = call(address, "POST", "/x")
        assert answer.problem == "too-many-requests"
        assert 1 <= int(answer.headers["retry-after"]) <= 5
        assert websocket(address, "/x").status == 429
        assert call(address, "GET", "/_nicegui/3/static/quasar.js").status == 200
        assert call(address, "GET", "/api/health").status == 200


def test_a_bucket_fills_again_and_each_client_has_one() -> None:
    now = 0.0
    paced = Paced(echo, ServeOptions(requests_per_minute=60), clock=lambda: now)

    def calls(client: str) -> int:
        scope: Scope = {"type": "http", "method": "GET", "path": "/x", "headers": [], "client": (client, 1)}
        statuses: list[int] = []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        async def until_refused() -> int:
            for served in range(1_000):
                await paced(scope, receive, send)
                if statuses[-1] == 429:
                    return served
            return 1_000

        return asyncio.run(until_refused())

    assert calls("1.1.1.1") == BURST_SECONDS
    assert calls("1.1.1.1") == 0
    assert calls("2.2.2.2") == BURST_SECONDS
    now = 3.0
    assert calls("1.1.1.1") == 3
    now = 1_000.0
    assert calls("1.1.1.1") == BURST_SECONDS


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_a_client_is_an_address_or_a_network_that_one_person_has(host: str, client: str) -> None:
    assert client_of({"client": (host, 1)}) == client
    assert client_of({}) == "unknown"

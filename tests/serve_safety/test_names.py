"""A page of another site, or one whose name was given this machine's address, gets nothing done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from openbook.errors import UsageError
from openbook.serve.guard import guarded
from openbook.serve.guard.names import host_name
from openbook.serve.options import ServeOptions
from tests.serve_safety.serving import TOKEN, Address, call, echo, raw, serving, websocket


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    with serving(echo, ServeOptions(hosts=("books.example.org",))) as address:
        yield address


@pytest.fixture(scope="module")
def open_server() -> Iterator[Address]:
    """A server that others can reach, so that it may be called by any of its addresses."""
    with serving(echo, ServeOptions(host="0.0.0.0", token=TOKEN)) as address:
        yield address


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8080",
        "localhost:1",
        "LOCALHOST",
        "[::1]:8080",
        "127.9.9.9",
        "books.example.org",
    ],
)
def test_its_own_names_are_served(server: Address, host: str) -> None:
    assert call(server, "GET", "/x", {"Host": host}).body == b"GET /x "


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1/evil.example",
        "192.168.1.7",
        "0.0.0.0",
        "books.example.org.evil.example",
        "sub.books.example.org",
        "[::1",
        "",
    ],
)
def test_a_rebound_name_is_refused(server: Address, host: str) -> None:
    answer = call(server, "GET", "/x", {"Host": host})
    assert (answer.status, answer.problem) == (421, "unknown-host")
    assert "--host-name" in answer.json["detail"]
    assert websocket(server, "/x", {"Host": host}).status == 421


def test_two_hosts_or_none_are_refused(server: Address) -> None:
    assert raw(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n").status in (400, 421)
    assert raw(server, b"GET / HTTP/1.0\r\n\r\n").status in (400, 421)


def test_an_address_cannot_be_rebound_and_a_name_can(open_server: Address) -> None:
    token = {"Authorization": f"Bearer {TOKEN}"}
    assert call(open_server, "GET", "/", {"Host": "192.168.1.7:8080", **token}).status == 200
    assert call(open_server, "GET", "/", {"Host": "evil.example", **token}).status == 421


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "file://", ""])
def test_another_origin_changes_nothing(server: Address, method: str, origin: str) -> None:
    answer = call(server, method, "/x", {"Origin": origin})
    assert (answer.status, answer.problem) == (403, "foreign-origin")


def test_its_own_pages_and_programs_may_change_things(server: Address) -> None:
    assert call(server, "POST", "/x", {"Origin": f"http://{server.named}"}).status == 200
    assert call(server, "POST", "/x").status == 200
    proxied = {"Host": "books.example.org", "Origin": "https://books.example.org"}
    assert call(server, "POST", "/x", proxied).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_a_websocket_of_another_origin_is_refused(server: Address, origin: str) -> None:
    assert websocket(server, "/x", {"Origin": origin}).status == 403


def test_its_own_websocket_is_served(server: Address) -> None:
    assert websocket(server, "/x", {"Origin": f"http://{server.named}"}).status == 101
    assert websocket(server, "/x").status == 101


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_pages_read_nothing_either(server: Address, site: str) -> None:
    fetched = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert call(server, "GET", "/x", fetched).problem == "foreign-origin"
    framed = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    assert call(server, "GET", "/x", framed).problem == "foreign-origin"
    submitted = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert call(server, "POST", "/x", submitted).problem == "foreign-origin"


def test_a_link_from_elsewhere_may_be_followed(server: Address) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert call(server, "GET", "/x", followed).status == 200


def test_no_other_site_is_ever_permitted_by_a_header(server: Address) -> None:
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    for method in ("OPTIONS", "GET", "POST"):
        answer = call(server, method, "/x", asked)
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_server_that_others_reach_needs_a_good_token() -> None:
    with pytest.raises(UsageError, match="needs a token"):
        guarded(echo, ServeOptions(host="0.0.0.0"))
    with pytest.raises(UsageError, match="5 characters; expected 16"):
        guarded(echo, ServeOptions(token="short"))
    with pytest.raises(UsageError, match="ASCII"):
        guarded(echo, ServeOptions(token="ein-Schlüssel-mit-Umlaut"))


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("a:1", "a"),
        ("A", "a"),
        ("[::1]:1", "::1"),
        ("a b", ""),
        ("a#b", ""),
        ("[::1", ""),
        (":80", ""),
        ("", ""),
    ],
)
def test_the_name_in_a_host_header(header: str, name: str) -> None:
    assert host_name(header) == name

"""What a browser is told it may do with an answer, and the nonce without which no script runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.serve.guard.scripts import ScriptMarker
from openbook.serve.options import ServeOptions
from tests.serve_safety.serving import Address, call, echo, serving

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PAGES = {
    "/whole": (b"<html><script>1</script><SCRIPT src=x></SCRIPT></html>",),
    "/blocks": (b"<html><scr", b"ipt", b">1</script><", b"script\n>2</script></html>"),
    "/other": (b"<html><scripture></script><script", b"ed><p>no script</p></html>"),
    "/own": (b"<script>1</script>",),
    "/data": (b'{"text": "<script>"}',),
}


async def pages(scope: Scope, receive: Receive, send: Send) -> None:
    """An application with pages in one block and in several."""
    if scope["type"] != "http":
        await echo(scope, receive, send)
        return
    blocks = PAGES[scope["path"]]
    media = b"application/json" if scope["path"] == "/data" else b"text/html; charset=utf-8"
    headers = [(b"content-type", media), (b"content-length", str(sum(map(len, blocks))).encode())]
    if scope["path"] == "/own":
        headers += [(b"content-security-policy", b"default-src 'self'"), (b"cache-control", b"max-age=5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number, block in enumerate(blocks, 1):
        await send({"type": "http.response.body", "body": block, "more_body": number < len(blocks)})


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    with serving(pages, ServeOptions()) as address:
        yield address


def nonce_of(policy: str) -> str:
    found = re.search(r"script-src [^;]*'nonce-([A-Za-z0-9_-]{20,})'", policy)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("path", ["/whole", "/blocks"])
def test_every_script_of_a_page_has_its_nonce(server: Address, path: str) -> None:
    answer = call(server, "GET", path)
    nonce = nonce_of(answer.headers["content-security-policy"])
    assert len(re.findall(rb"<script\b", answer.body, re.IGNORECASE)) == 2
    assert len(re.findall(rb'<script nonce="%s"' % nonce.encode(), answer.body, re.IGNORECASE)) == 2
    assert answer.body.replace(b' nonce="%s"' % nonce.encode(), b"") == b"".join(PAGES[path])


def test_a_nonce_is_never_used_again(server: Address) -> None:
    nonces = {nonce_of(call(server, "GET", "/whole").headers["content-security-policy"]) for _ in range(5)}
    assert len(nonces) == 5


def test_nothing_else_is_marked(server: Address) -> None:
    assert call(server, "GET", "/other").body == b"".join(PAGES["/other"])
    assert call(server, "GET", "/data").body == PAGES["/data"][0]


def test_a_page_may_load_nothing_from_elsewhere(server: Address) -> None:
    policy = call(server, "GET", "/whole").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert not re.search(r"https?:|wss?:|\*|script-src[^;]*unsafe-inline", policy)


def test_a_policy_of_a_page_of_its_own_stands(server: Address) -> None:
    answer = call(server, "GET", "/own")
    assert answer.headers["content-security-policy"] == "default-src 'self'"
    assert answer.headers["cache-control"] == "max-age=5"
    assert answer.body == PAGES["/own"][0]


@pytest.mark.parametrize("path", ["/whole", "/data", "/own"])
def test_every_answer_has_the_other_headers(server: Address, path: str) -> None:
    headers = call(server, "GET", path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "geolocation=()" in headers["permissions-policy"]
    assert "server" not in headers


def test_data_may_do_nothing_at_all_and_is_not_kept(server: Address) -> None:
    headers = call(server, "GET", "/data").headers
    assert headers["content-security-policy"].startswith("default-src 'none';")
    assert "script-src" not in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


def test_refusals_have_them_too(server: Address) -> None:
    headers = call(server, "GET", "/whole", {"Host": "evil.example"}).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none';")


@given(st.lists(st.sampled_from([b"<", b"<script", b"s", b">", b" ", b"/", b"<SCRIPT>", b"cript", b"<s"])))
def test_how_a_page_is_cut_into_blocks_changes_nothing(blocks: Sequence[bytes]) -> None:
    marker = ScriptMarker("n")
    cut = b"".join(marker.feed(block, last=False) for block in blocks) + marker.feed(b"", last=True)
    assert cut == ScriptMarker("n").feed(b"".join(blocks), last=True)


@given(st.binary(), st.integers(0, 20))
def test_the_nonce_is_all_that_is_added(page: bytes, at: int) -> None:
    marker = ScriptMarker("0123456789")
    marked = marker.feed(page[:at], last=False) + marker.feed(page[at:], last=True)
    assert marked.replace(b' nonce="0123456789"', b"") == page

"""A real browser at the door: signing in, coming back by a link, what a page of another site can do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from openbook.serve.logs import Served
from openbook.serve.options import ServeOptions
from tests.serve_safety.serving import TOKEN, Address, echo, serving

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

ARGUMENTS = ("--no-sandbox", "--disable-background-networking", "--disable-quic")
HOSTILE = """
<!doctype html><title>page</title><p id="seen">before</p>
<img src="x" onerror="document.title = 'hostile'">
<script>document.getElementById('seen').textContent = 'own script ran'</script>
"""


async def pages(scope: Scope, receive: Receive, send: Send) -> None:
    """An application whose pages have a script of their own, and a handler that got in somehow."""
    if scope["type"] != "http" or scope["path"] != "/page":
        await echo(scope, receive, send)
        return
    headers = [(b"content-type", b"text/html; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": HOSTILE.encode()})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


class Elsewhere(BaseHTTPRequestHandler):
    """A page of another site, which forbids its scripts nothing."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def other() -> Iterator[Address]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Address("127.0.0.1", server.server_port)
        server.shutdown()
        thread.join()


def url(address: Address, path: str, *, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{address.port}{path}"


def test_a_person_signs_in_and_comes_back_by_a_link_on_another_site(page: Page, other: Address) -> None:
    with serving(pages, ServeOptions(token=TOKEN)) as server:
        page.goto(url(server, "/page?a=1"))
        assert page.title() == "Sign in – openbook"
        page.get_by_label("Token").fill("a wrong one")
        page.get_by_role("button", name="Sign in").click()
        assert "not the token" in page.get_by_role("alert").inner_text()
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(url(server, "/page?a=1"))
        assert page.locator("#seen").inner_text() == "own script ran"
        assert page.evaluate("document.cookie") == "", "no script can read the cookie"

        page.goto(url(other, "/x", host="localhost"))
        page.evaluate("target => { location.href = target }", url(server, "/page"))
        page.wait_for_function("document.title === 'page'")
        assert page.url == url(server, "/page")


def test_the_printed_link_does_not_stay_in_the_address_bar(page: Page) -> None:
    with serving(pages, ServeOptions(token=TOKEN)) as server:
        page.goto(url(server, f"/page?token={TOKEN}"))
        assert page.url == url(server, "/page")
        assert page.evaluate(
            "performance.getEntriesByType('navigation').every(one => !one.name.includes('token'))"
        )


def test_only_scripts_with_the_nonce_run(page: Page) -> None:
    with serving(pages) as server:
        blocked: list[str] = []
        page.on("console", lambda message: blocked.append(message.text))
        page.goto(url(server, "/page"))
        assert page.locator("#seen").inner_text() == "own script ran"
        page.wait_for_function("performance.getEntriesByType('resource').length > 0")
        page.evaluate("new Promise(requestAnimationFrame)")
        assert page.title() == "page"
        assert any("Content Security Policy" in text for text in blocked)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_page_of_another_site_can_do_nothing(page: Page, other: Address, host: str) -> None:
    """Also not one that is served by another port of this machine."""
    seen: list[Served] = []
    with serving(echo, None, seen.append) as server:
        page.goto(url(other, "/x", host=host))
        results = page.evaluate(
            """async target => {
                const tried = async (options) => {
                    try { return (await fetch(target, options)).type } catch { return 'failed' }
                }
                const socket = () => new Promise(done => {
                    const one = new WebSocket(target.replace('http', 'ws'))
                    one.onopen = () => done('open')
                    one.onerror = () => done('failed')
                })
                return [
                    await tried({method: 'POST', body: 'x', mode: 'no-cors'}),
                    await tried({method: 'DELETE'}),
                    await tried({}),
                    await socket(),
                ]
            }""",
            url(server, "/x"),
        )
    assert "open" not in results
    assert results[1:] == ["failed"] * 3
    assert seen
    assert {(one.status, one.refused) for one in seen} == {(403, "foreign-origin")}

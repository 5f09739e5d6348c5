"""Who does not know the token gets nothing, however he asks, and does not get far by guessing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest

from openbook.serve.guard.attempts import FREE_FAILURES, LONGEST_SECONDS, Attempts
from openbook.serve.options import ServeOptions
from tests.serve_safety.serving import TOKEN, Address, Reply, call, echo, serving, websocket

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def server() -> Iterator[Address]:
    with serving(echo, ServeOptions(token=TOKEN)) as address:
        yield address


def log_in(server: Address, token: str, wanted: str = "/") -> Reply:
    form = urlencode({"token": token, "next": wanted}).encode()
    return call(server, "POST", "/login", FORM, form)


def cookie_of(answer: Reply) -> dict[str, str]:
    return {"Cookie": answer.headers["set-cookie"].split(";")[0]}


@pytest.mark.parametrize("path", ["/api/search", "/v1/models", "/mcp", "/_nicegui/x.js", "/metrics", "/"])
def test_nothing_is_served_without_the_token(server: Address, path: str) -> None:
    answer = call(server, "GET", path)
    assert (answer.status, answer.problem) == (401, "token-missing")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert call(server, "POST", path, {}, b"{}").status == 401
    assert websocket(server, path).status == 401


def test_only_whether_it_lives_is_for_everybody(server: Address) -> None:
    assert call(server, "GET", "/api/health").status == 200
    assert call(server, "GET", "/api/healthy").status == 401
    assert call(server, "GET", "/api/health/..").status == 401


def test_programs_send_it_as_a_bearer_token(server: Address) -> None:
    token = {"Authorization": f"Bearer {TOKEN}"}
    assert call(server, "GET", "/api/search", token).status == 200
    assert call(server, "GET", "/x", {"Authorization": f"bearer {TOKEN}"}).status == 200
    assert websocket(server, "/x", token).status == 101
    for wrong in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer", "Bearer \u00ff"):
        assert call(server, "GET", "/x", {"Authorization": wrong}).status == 401


def test_people_are_led_to_the_login_page_and_back(server: Address) -> None:
    away = call(server, "GET", "/search?q=a+b", PAGE)
    assert (away.status, away.headers["location"]) == (303, f"/login?next={quote('/search?q=a+b', safe='')}")
    page = call(server, "GET", away.headers["location"], PAGE)
    assert page.status == 200
    assert b'name="next" value="/search?q=a+b"' in page.body
    back = log_in(server, TOKEN, "/search?q=a+b")
    assert (back.status, back.headers["location"]) == (303, "/search?q=a+b")
    assert call(server, "GET", "/search", {**PAGE, **cookie_of(back)}).status == 200
    assert websocket(server, "/x", cookie_of(back)).status == 101


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites_and_is_not_the_token(
    server: Address,
) -> None:
    cookie = log_in(server, TOKEN).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie


def test_the_cookie_of_another_server_is_worth_nothing(server: Address) -> None:
    cookie = cookie_of(log_in(server, TOKEN))
    with serving(echo, ServeOptions(token=TOKEN)) as other:
        assert call(other, "GET", "/x", cookie).status == 401
    name = cookie["Cookie"].split("=")[0]
    for value in ("", "x", TOKEN, '"', "a; b=c"):
        assert call(server, "GET", "/x", {"Cookie": f"{name}={value}"}).status == 401


def test_logging_out_takes_the_cookie_back(server: Address) -> None:
    answer = call(server, "POST", "/logout", {"Content-Length": "0"})
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert answer.headers["location"] == "/login"


def test_the_printed_link_becomes_a_cookie_and_leaves_the_address_bar(server: Address) -> None:
    answer = call(server, "GET", f"/search?q=a&token={TOKEN}", PAGE)
    assert (answer.status, answer.headers["location"]) == (303, "/search?q=a")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert call(server, "GET", "/x", cookie_of(answer)).status == 200
    wrong = call(server, "GET", "/?token=wrong", PAGE)
    assert wrong.status == 401
    assert b"not the token" in wrong.body
    assert "set-cookie" not in wrong.headers
    assert call(server, "GET", f"/api/search?token={TOKEN}").status == 401, "only links are exchanged"


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "http://evil.example", "evil", "/a\r\nX: y", "/ü", ""]
)
def test_a_login_leads_nowhere_else(server: Address, target: str) -> None:
    assert log_in(server, TOKEN, target).headers["location"] == "/"
    page = call(server, "GET", f"/login?next={quote(target)}")
    assert b'value="/"' in page.body


def test_who_follows_a_link_from_elsewhere_is_sent_on_from_a_page_of_this_server(server: Address) -> None:
    """The cookie does not come along with a link on another site; from a page of this one it does."""
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    page = call(server, "GET", '/x?q="><script>', {**PAGE, **followed})
    assert page.status == 200
    assert b'http-equiv="refresh" content="0;url=/x?q=%22%3E%3Cscript%3E"' in page.body
    own = {**followed, "Sec-Fetch-Site": "same-origin"}
    assert call(server, "GET", "/x", {**PAGE, **own}).headers["location"] == "/login?next=%2Fx"


def test_the_link_itself_leads_nowhere_else(server: Address) -> None:
    answer = call(server, "GET", f"//evil.example/?token={TOKEN}", PAGE)
    assert (answer.status, answer.headers["location"]) == (303, "/")


def test_the_login_page_runs_no_script_and_shows_markup_as_text(server: Address) -> None:
    page = call(server, "GET", '/login?next=/"><script>alert(1)</script>')
    assert b"<script" not in page.body
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    nonce = re.search(r"'nonce-([^']+)'", policy)
    assert nonce is not None
    assert f'nonce="{nonce[1]}"'.encode() in page.body


def test_the_login_form_has_a_size(server: Address) -> None:
    form = urlencode({"token": TOKEN, "next": "/" + "a" * 10_000}).encode()
    assert call(server, "POST", "/login", FORM, form).status == 401
    assert call(server, "PUT", "/login").status == 405


def test_guessing_is_slowed_down_even_when_the_guess_is_right(server: Address) -> None:
    for number in range(FREE_FAILURES):
        assert call(server, "GET", "/x", {"Authorization": f"Bearer guess-{number}"}).problem == "token-wrong"
    answer = call(server, "GET", "/x", {"Authorization": f"Bearer {TOKEN}"})
    assert (answer.status, answer.problem) == (429, "too-many-attempts")
    assert int(answer.headers["retry-after"]) >= 1
    page = log_in(server, TOKEN)
    assert page.status == 429
    assert "set-cookie" not in page.headers
    assert b"Too many wrong tokens" in page.body
    assert call(server, "GET", f"/?token={TOKEN}", PAGE).status == 429


def test_who_is_logged_in_is_not_locked_out_by_guesses_from_the_same_address(server: Address) -> None:
    cookie = cookie_of(log_in(server, TOKEN))
    for number in range(FREE_FAILURES + 1):
        log_in(server, f"guess-{number}")
    assert call(server, "GET", "/x", cookie).status == 200


def test_waiting_doubles_ends_and_is_forgotten_after_success() -> None:
    now = 0.0
    attempts = Attempts(clock=lambda: now)
    for _ in range(FREE_FAILURES - 1):
        attempts.failed("a")
        assert attempts.wait("a") == 0
    waits = []
    for _ in range(12):
        attempts.failed("a")
        waits.append(attempts.wait("a"))
    assert waits[:9] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert waits[9:] == [LONGEST_SECONDS] * 3
    assert attempts.wait("b") == 0
    now = LONGEST_SECONDS
    assert attempts.wait("a") == 0
    attempts.succeeded("a")
    attempts.failed("a")
    assert attempts.wait("a") == 0

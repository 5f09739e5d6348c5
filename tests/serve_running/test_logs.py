"""The log: one line each, in two forms, without secrets and without what was asked."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from openbook.serve.logs import Lines, Served, configure
from tests.serve_safety.serving import call, echo, serving, websocket

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

SECRET = "the-token-of-this-server"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged from now on, as JSON; logging is as it was afterwards."""
    stream = io.StringIO()
    root, names = logging.getLogger(), ("openbook", "uvicorn")
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in names}
    configure("json", hidden=(SECRET, ""), stream=stream)
    yield stream
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def record(message: str, *, level: int = logging.INFO, **fields: object) -> logging.LogRecord:
    found = logging.LogRecord("openbook.serve", level, "here.py", 1, message, (), None)
    found.fields = fields
    return found


def entries(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_a_line_of_text_can_be_read_and_taken_apart() -> None:
    line = Lines("text").format(record("request", method="GET", route="/api/search", ms=1.5, refused="a b"))
    assert line.split(" ", 1)[1] == 'INFO    request method=GET route=/api/search ms=1.5 refused="a b"'


def test_nothing_that_is_logged_can_pretend_to_be_another_line() -> None:
    forged = "x\n2026-01-01T00:00:00Z ERROR forged\u2028\x1b[2J"
    for form in ("text", "json"):
        line = Lines(form).format(record("request", route=forged))
        assert len(line.splitlines()) == 1 or form == "json"
        assert "\n" not in line
        assert "\x1b" not in line
    assert json.loads(Lines("json").format(record(forged)))["event"] == forged.strip()


def test_secrets_are_blotted_out_wherever_they_turn_up(log: io.StringIO) -> None:
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("uvicorn.error").exception("with %s", SECRET, extra={"fields": {"a": SECRET}})
    assert SECRET not in log.getvalue()
    assert log.getvalue().count("[hidden]") >= 3


def test_what_others_log_goes_through_the_same_lines(log: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("uvicorn.error").info("Application startup complete.")
    logging.getLogger("somebody").info("news")
    assert [(entry["logger"], entry["level"]) for entry in entries(log)] == [("uvicorn.error", "warning")]


def test_configuring_twice_writes_once(log: io.StringIO) -> None:
    configure("json", stream=log)
    logging.getLogger("openbook.serve").info("once")
    assert len(entries(log)) == 1


def test_a_mistake_in_the_program_is_told_to_the_log_and_not_to_the_client(log: io.StringIO) -> None:
    async def mistaken(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await echo(scope, receive, send)
            return
        raise RuntimeError("a detail of the inside")

    with serving(mistaken) as address:
        answer = call(address, "GET", "/x", {"X-Request-Id": "abc"})
        assert answer.status == 500
        assert "abc" in answer.json["detail"]
        assert b"inside" not in answer.body
        assert websocket(address, "/x").status in (403, 500)
    failed = [entry for entry in entries(log) if entry["event"] == "request failed"]
    assert len(failed) == 2
    assert failed[0]["request"] == "abc"
    assert "a detail of the inside" in str(failed[0]["error"])


def test_every_request_is_observed_once_with_how_it_ended(log: io.StringIO) -> None:
    seen: list[Served] = []
    with serving(echo, None, seen.append) as address:
        call(address, "POST", "/x", {}, b"12345")
        call(address, "GET", "/x", {"Host": "evil.example"})
        websocket(address, "/x")
        call(address, "GET", "/api/health")
    assert sorted((one.method, one.status, one.refused) for one in seen) == [
        ("GET", 200, ""),
        ("GET", 421, "unknown-host"),
        ("POST", 200, ""),
        ("WEBSOCKET", 101, ""),
    ]
    assert seen[0].bytes == len(b"POST /x 12345")
    assert len({one.id for one in seen}) == 4
    assert all(one.seconds > 0 for one in seen)
    logged = [str(entry["request"]) for entry in entries(log) if entry["event"] == "request"]
    assert logged == [one.id for one in seen]


def test_the_default_is_stderr(log: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    configure("text", stream=None)
    logging.getLogger("openbook.serve").warning("to stderr")
    assert "WARNING to stderr" in capsys.readouterr().err

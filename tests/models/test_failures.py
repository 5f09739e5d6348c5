"""Every misbehaviour of a server becomes a clear error or a retry, and nothing that arrived is lost."""

from __future__ import annotations

import logging
import socket
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from openbook.errors import (
    KeyRefused,
    LanguageModelError,
    ModelBusy,
    ModelUnknown,
    ModelUnreachable,
    OpenbookError,
    PromptTooLong,
    ReplyBroken,
)
from openbook.language_models import open_model
from openbook.settings import Settings
from tests.model_server.server import (
    CutOff,
    Empty,
    EndEarly,
    Fail,
    FailInStream,
    Garbage,
    Hang,
    Say,
    TooLong,
    UnknownModel,
)

from .conftest import KEY, QUESTION, Serve

SOON = 0.3
"""Seconds after which a silent server is given up, where a test waits for that."""

STAYING: list[tuple[Any, type[LanguageModelError], str]] = [
    (Fail(401), KeyRefused, "OPENBOOK_MODEL_KEY"),
    (Fail(403, message="not yours"), KeyRefused, "403"),
    (UnknownModel(), ModelUnknown, "does not exist"),
    (Fail(404, body="<html>nothing here</html>"), ModelUnknown, "usually ends in /v1"),
    (TooLong(4_096), PromptTooLong, "4096 tokens"),
    (Fail(400, message="request (9000 tokens) exceeds the available context size"), PromptTooLong, "9000"),
    (Fail(400, message="temperature must be positive"), LanguageModelError, "temperature must be positive"),
    (Fail(402, message="Pay first"), ModelBusy, "no credit left"),
    (Fail(429, code="insufficient_quota", message="You exceeded your quota"), ModelBusy, "no credit left"),
    (Fail(429, retry_after=3_600), ModelBusy, "asks to wait 3600 s"),
    (Garbage(), ReplyBroken, "stream of events"),
    (Fail(200, body="<html>Welcome</html>", headers={"Content-Type": "text/html"}), ReplyBroken, "text/html"),
    (Fail(307, headers={"Location": "http://127.0.0.1:9/"}), ReplyBroken, "to ask at 'http://127.0.0.1:9/'"),
    (Empty("length"), ReplyBroken, "answer_tokens"),
    (Empty("content_filter"), ReplyBroken, "content filter"),
]
PASSING: list[Any] = [
    Fail(429),
    Fail(500),
    Fail(502, body="<html>bad gateway</html>"),
    Fail(503),
    Fail(529, code="overloaded_error"),
    Fail(408),
    CutOff(),
    EndEarly(),
    FailInStream(),
    FailInStream(code="rate_limit_exceeded"),
    Empty(),
    Say(" \n "),
]
BREAKING: list[Any] = [
    CutOff("Paris is"),
    EndEarly("Paris is"),
    FailInStream("Paris is"),
    FailInStream("Paris is", code="rate_limit_exceeded"),
    Garbage("Paris is"),
    Say("Paris is", finish="content_filter"),
]


@pytest.mark.parametrize(("entry", "kind", "said"), STAYING, ids=lambda value: str(value)[:40])
def test_a_failure_that_stays_is_raised_at_once(
    serve: Serve, entry: Any, kind: type[LanguageModelError], said: str
) -> None:
    asked = serve(entry)
    with pytest.raises(LanguageModelError) as raised:
        asked.ask()
    assert type(raised.value) is kind
    message = str(raised.value)
    assert said in message
    assert "openai:test-model" in message
    assert asked.server.base_url in message
    assert len(asked.server.requests) == 1
    assert not asked.slept


@pytest.mark.parametrize("entry", PASSING, ids=lambda value: str(value)[:40])
def test_a_failure_that_passes_is_tried_again(serve: Serve, entry: Any) -> None:
    asked = serve(entry, entry, "Paris [1].")
    reply = asked.ask()
    assert asked.text == "Paris [1]."
    assert reply.usage["requests"] == len(asked.server.requests) == 3
    assert len(asked.slept) == 2
    assert [event.retry_seconds for event in asked.events] == asked.slept
    assert all(event.error in ("ModelBusy", "ModelUnreachable", "ReplyBroken") for event in asked.events)


@pytest.mark.parametrize("entry", PASSING, ids=lambda value: str(value)[:40])
def test_a_failure_that_does_not_pass_says_what_was_tried(serve: Serve, entry: Any) -> None:
    asked = serve(entry, model_retries=2)
    with pytest.raises(LanguageModelError) as raised:
        asked.ask()
    assert isinstance(raised.value, ModelBusy | ModelUnreachable | ReplyBroken)
    assert f"Gave up after 3 attempts and {sum(asked.slept):.1f} s of waiting" in str(raised.value)
    assert len(asked.server.requests) == 3


@pytest.mark.parametrize("entry", BREAKING, ids=lambda value: str(value)[:40])
def test_what_arrived_before_a_break_is_kept_and_never_asked_for_again(serve: Serve, entry: Any) -> None:
    asked = serve(entry, "another answer")
    with pytest.raises(ReplyBroken, match="broke off"):
        asked.ask()
    assert asked.text == "Paris is"
    assert len(asked.server.requests) == 1
    assert not asked.slept


def test_a_server_that_says_nothing_is_given_up(serve: Serve) -> None:
    asked = serve(Hang(), model_seconds=SOON)
    with pytest.raises(ModelUnreachable, match=f"within {SOON:g} s.*model_seconds"):
        asked.ask()
    assert asked.server.requests[0].left.wait(30)


def test_a_server_that_falls_silent_breaks_the_reply(serve: Serve) -> None:
    asked = serve(Hang("Paris is"), model_seconds=SOON)
    with pytest.raises(ReplyBroken, match=f"silent for {SOON:g} s"):
        asked.ask()
    assert asked.text == "Paris is"
    assert asked.server.requests[0].left.wait(30)


@pytest.mark.parametrize("name", ["openai:test-model", "ollama:qwen3"])
def test_nobody_there(name: str) -> None:
    with socket.socket() as closed:  # bound and not listening: connections are refused
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        model = open_model(Settings(base_url=address), name, environment={})
        with pytest.raises(ModelUnreachable, match=r"Nobody answers for .*Start the server") as raised:
            list(model.reply(QUESTION))
        model.close()
    assert address in str(raised.value)


def test_the_server_says_how_long_to_wait(serve: Serve) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    asked = serve(Fail(429, retry_after=7), Fail(503, retry_after=moment), "Paris")
    asked.ask()
    assert 7 <= asked.slept[0] <= 8
    assert 25 <= asked.slept[1] <= 35


def test_no_retries_at_all(serve: Serve) -> None:
    asked = serve(Fail(500), model_retries=0)
    with pytest.raises(ModelBusy, match="model_retries is 0"):
        asked.ask()
    assert len(asked.server.requests) == 1


def test_a_model_of_ollama_that_is_not_there(serve: Serve) -> None:
    asked = serve(UnknownModel(), name="ollama:qwen3:4b")
    with pytest.raises(ModelUnknown, match="ollama pull qwen3:4b"):
        asked.ask()


ECHOES = [
    Fail(401, echo_key=True),
    Fail(403, echo_key=True),
    Fail(400, echo_key=True, message="bad request"),
    Fail(404, echo_key=True, message="no model for"),
    Fail(429, echo_key=True, message="too many requests of"),
    Fail(500, body=f"upstream refused Authorization: Bearer {KEY}"),
    Fail(400, message="context length exceeded by", echo_key=True),
    FailInStream(message=f"invalid {KEY}"),
    FailInStream("some text", message=f"invalid {KEY}"),
    Fail(400, message=f"Incorrect key {KEY[:8]}****{KEY[-4:]}"),
]


@pytest.mark.parametrize("entry", ECHOES, ids=lambda value: str(value)[:50])
def test_the_key_is_shown_nowhere(
    serve: Serve, entry: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = serve(entry, model_retries=1)
    with caplog.at_level(logging.DEBUG), pytest.raises(OpenbookError) as raised:
        asked.ask()
    assert asked.server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    shown = [
        "".join(traceback.format_exception(raised.value)),
        repr(raised.value.__cause__),
        repr(raised.value.__context__),
        repr(asked.model),
        repr(asked.model.failures()),
        repr(asked.events),
        "".join(capfd.readouterr()),
        *(record.getMessage() for record in caplog.records),
    ]
    for text in shown:
        assert KEY not in text
        assert KEY[-4:] not in text


@pytest.mark.parametrize(
    "entry",
    [
        Fail(302, headers={"Location": "http://host/?key=a%2Bweird%2Fsecret%3Dkey%22of%5Cours"}),
        Fail(400, body=r'{"error": {"message": {"key": "a+weird/secret=key\"of\\ours"}}}'),
        Fail(400, message=r'{"key": "a+weird/secret=key\"of\\ours"}'),
    ],
    ids=["in an address", "in an object", "in JSON"],
)
def test_the_key_is_shown_in_no_other_form(serve: Serve, entry: Any) -> None:
    asked = serve(entry, key='a+weird/secret=key"of\\ours')
    with pytest.raises(OpenbookError, match="…") as raised:
        asked.ask()
    assert "weird" not in "".join(traceback.format_exception(raised.value))


def test_control_characters_of_a_server_are_not_passed_on(serve: Serve) -> None:
    asked = serve(Fail(400, message="a\x1b[31mb\r\nc\u202e" + "x" * 1_000))
    with pytest.raises(LanguageModelError) as raised:
        asked.ask()
    message = str(raised.value)
    assert message.isprintable()
    assert "a [31mb c x" in message
    assert len(message) < 500

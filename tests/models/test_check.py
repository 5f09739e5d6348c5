"""Checking a model: what it does, what its server says of itself, and the one line about it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pytest

from openbook.backends.model_windows import CAUTIOUS
from openbook.cli import run
from openbook.errors import ModelUnknown, ModelUnreachable
from openbook.language_models import ModelCheck, check_model
from tests.model_server.server import CallTool, CutOff, Fail, ModelServer, Say, UnknownModel

from .conftest import KEY, Serve


def able(body: Mapping[str, Any]) -> Any:
    """A model that counts, and adds with the tool that it is offered."""
    if body.get("tools"):
        return CallTool(body["tools"][0]["function"]["name"], {"first": 1765, "second": 2589})
    return Say("one, two, three, four, five")


def unable(body: Mapping[str, Any]) -> Any:
    return Fail(400, message="this model does not support tools") if body.get("tools") else Say("one")


def checked(serve: Serve, *script: Any, **options: Any) -> ModelCheck:
    ticks = count()
    return check_model(serve(*script, **options).model, clock=lambda: float(next(ticks)))


def test_a_model_that_can_do_everything(serve: Serve) -> None:
    found = checked(serve, able, context_tokens=4_096)
    assert found.name == "openai:test-model"
    assert found.streams
    assert found.calls_tools
    assert (found.context_tokens, found.context_source) == (4_096, "setting")
    assert found.text == "one, two, three, four, five"
    # The clock ticks once when the request leaves, once for each piece, and at the end.
    assert found.first_ms == 1_000
    assert found.tokens_per_second == pytest.approx(5 / 6, abs=0.1)


def test_a_model_that_can_do_little(serve: Serve) -> None:
    found = checked(serve, unable)
    assert not found.streams
    assert not found.calls_tools
    assert (found.context_tokens, found.context_source) == (CAUTIOUS, "guess")


def test_a_model_that_answers_where_a_tool_was_wanted(serve: Serve) -> None:
    assert not checked(serve, "4354").calls_tools
    assert not checked(serve, "one, two", CutOff("4")).calls_tools


def test_a_reply_that_comes_in_one_go_does_not_stream(serve: Serve) -> None:
    # All pieces at the same moment, a hundred seconds after the request left.
    moments = iter([0.0, *[100.0] * 7])
    found = check_model(serve(able).model, clock=lambda: next(moments))
    assert not found.streams
    assert found.first_ms == 100_000


@pytest.mark.parametrize(
    ("entry", "tokens"),
    [
        ({"max_model_len": 32_768}, 32_768),
        ({"context_length": 128_000}, 128_000),
        ({"context_window": 131_072}, 131_072),
        ({"meta": {"n_ctx": 4_096, "n_ctx_train": 131_072}}, 4_096),
        ({"meta": {"n_ctx_train": 131_072}}, None),
        ({"max_model_len": "many"}, None),
        ({"max_model_len": -1, "meta": ["odd"]}, None),
        ({"id": "another", "max_model_len": 32_768}, None),
    ],
)
def test_what_a_server_says_about_its_window(serve: Serve, entry: dict[str, Any], tokens: int | None) -> None:
    asked = serve(able)
    asked.server.models = [{"id": "first"}, {"id": "test-model", **entry}]
    found = check_model(asked.model)
    expected = (CAUTIOUS, "guess") if tokens is None else (tokens, "server")
    assert (found.context_tokens, found.context_source) == expected
    listing = [seen for seen in asked.server.requests if seen.path == "/v1/models"]
    assert listing[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("name", ["ollama:qwen3", "ollama:qwen3:latest"])
def test_what_ollama_says_about_its_window(serve: Serve, name: str) -> None:
    asked = serve(able, name=name)
    asked.server.pages["/api/ps"] = {"models": [{"name": "qwen3:latest", "context_length": 4_096}]}
    found = check_model(asked.model)
    assert (found.context_tokens, found.context_source) == (4_096, "server")


def test_what_llama_cpp_says_about_its_window(serve: Serve) -> None:
    asked = serve(able)
    asked.server.pages["/props"] = {"default_generation_settings": {"n_ctx": 2_048}}
    assert check_model(asked.model).context_tokens == 2_048


@pytest.mark.parametrize("page", [[], {"models": "none"}, {"models": [3]}, {"models": [{"name": 3}]}, "odd"])
def test_a_server_that_talks_nonsense_about_itself(serve: Serve, page: Any) -> None:
    asked = serve(able, name="ollama:qwen3")
    asked.server.pages["/api/ps"] = page
    assert check_model(asked.model).context_source == "guess"


def test_an_unknown_model_is_told_what_there_is(serve: Serve) -> None:
    asked = serve(UnknownModel())
    asked.server.models = [{"id": f"model-{number}"} for number in range(20)] + [{"odd": 1}]
    with pytest.raises(ModelUnknown, match=r"The server has: model-0, .*model-11 …\.$"):
        check_model(asked.model)


def test_an_unknown_model_of_a_server_that_has_none(serve: Serve) -> None:
    asked = serve(UnknownModel())
    asked.server.models = []
    with pytest.raises(ModelUnknown) as raised:
        check_model(asked.model)
    assert "The server has" not in str(raised.value)


def test_a_server_that_goes_away_is_not_a_model_without_tools(serve: Serve) -> None:
    asked = serve(Say("one, two"), Fail(500), model_retries=0)
    asked.model.seconds = 5.0
    with pytest.raises(Exception, match="answered 500"):
        check_model(asked.model)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    with ModelServer([able]) as server:
        monkeypatch.setenv("OPENBOOK_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENBOOK_MODEL", "openai:test-model")
        monkeypatch.setenv("OPENBOOK_MODEL_KEY", KEY)
        yield server


def test_one_line(command: ModelServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["model", "check"]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert out.startswith("openai:test-model answers, ")
    assert "calls tools; window unknown, 8,192 tokens assumed (OPENBOOK_CONTEXT_TOKENS sets it)" in out
    assert " tokens/s." in out
    assert KEY not in out + err


def test_as_json(command: ModelServer, capsys: pytest.CaptureFixture[str]) -> None:
    command.models = [{"id": "other", "max_model_len": 1_024}]
    assert run(["model", "check", "openai:other", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["calls_tools"]) == ("openai:other", True)
    assert (found["context_tokens"], found["context_source"]) == (1_024, "server")
    assert found["first_ms"] > 0
    assert found["tokens_per_second"] > 0


@pytest.mark.parametrize("as_json", [False, True])
def test_a_model_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    with ModelServer([Fail(401, echo_key=True)]) as server:
        monkeypatch.setenv("OPENBOOK_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENBOOK_MODEL_KEY", KEY)
        assert run(["model", "check", "openai:x", *(["--json"] if as_json else [])]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert "refused the key" in err
    assert KEY not in err
    if as_json:
        assert json.loads(err)["error"]["kind"] == "KeyRefused"


def test_no_model_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["model", "check"]) == 2
    assert "No language model is named" in capsys.readouterr().err


def test_nobody_there(serve: Serve) -> None:
    asked = serve("fine")
    asked.server.close()
    with pytest.raises(ModelUnreachable):
        check_model(asked.model)

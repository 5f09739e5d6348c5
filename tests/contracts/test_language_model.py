"""What every language model promises, asked of the fake and of one behind a real HTTP server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from openbook.answer.language_model import LanguageModel, Reply, ScriptedModel, Tool
from openbook.errors import ModelBusy
from openbook.language_models import open_model
from openbook.settings import Settings
from openbook.types import Message, ToolCall
from tests.model_server.server import CallTool, Fail, ModelServer, Say

QUESTION = (Message("system", "Answer with [n]."), Message("user", "Which city is the capital of France?"))
SEARCH = Tool(
    "search",
    "Search the documents.",
    {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
)
Make = Callable[..., LanguageModel]


def scripted(*replies: Any) -> LanguageModel:
    return ScriptedModel(*replies)


@pytest.fixture(params=["scripted", "pydantic"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes a model that gives these replies: texts, calls, tuples of both, or ModelBusy."""
    if request.param == "scripted":
        yield scripted
        return

    def entry(reply: Any) -> Any:
        if isinstance(reply, Exception):
            return Fail(503)
        parts = reply if isinstance(reply, tuple) else (reply,)
        made = tuple(Say(p) if isinstance(p, str) else CallTool(p.name, p.arguments, p.id) for p in parts)
        return made if len(made) > 1 else made[0]

    with ExitStack() as stack:

        def served(*replies: Any) -> LanguageModel:
            server = stack.enter_context(ModelServer([entry(reply) for reply in replies]))
            settings = Settings(base_url=server.base_url, model_retries=0)
            model = open_model(settings, "openai:test-model", environment={})
            stack.callback(model.close)
            return model

        yield served


def parts_of(reply: Reply) -> list[str | ToolCall]:
    with reply:
        return list(reply)


def text_of(reply: Reply) -> str:
    return "".join(part for part in parts_of(reply) if isinstance(part, str))


def test_it_says_what_it_is(make: Make) -> None:
    model = make("yes")
    assert model.name
    assert model.context_tokens >= 1_000
    assert model.counted_by


def test_tokens_are_counted_for_each_text(make: Make) -> None:
    model = make("yes")
    counts = model.count_tokens(["", "one", "one two three four five six"])
    assert len(counts) == 3
    assert 0 <= counts[0] <= 2
    assert counts[0] <= counts[1] < counts[2]
    assert model.count_tokens([]) == []
    assert model.count_tokens(["one"]) == counts[1:2]


@pytest.mark.parametrize(
    "text",
    ["Paris [1].", "Paris is it [1].\n\n- and so on\n", "Größe 漢字 \U0001f469‍\U0001f469 ok", "a" * 5_000],
)
def test_text_arrives_whole_and_in_pieces(make: Make, text: str) -> None:
    reply = make(text).reply(QUESTION)
    parts = parts_of(reply)
    assert "".join(str(part) for part in parts) == text
    assert all(parts)
    assert reply.finish == "stop"


def test_usage_is_known_at_the_end(make: Make) -> None:
    reply = make("Paris is it.").reply(QUESTION)
    assert not reply.usage
    parts_of(reply)
    assert set(reply.usage) == {"requests", "input_tokens", "output_tokens"}
    assert reply.usage["requests"] == 1
    assert reply.usage["input_tokens"] > 5
    assert reply.usage["output_tokens"] == 3


def test_a_reply_ends_at_the_limit_of_tokens(make: Make) -> None:
    model = make("one two three four five")
    reply = model.reply(QUESTION, max_tokens=2)
    assert text_of(reply) == "one two"
    assert reply.finish == "length"


def test_tools_are_called_with_what_the_model_wrote(make: Make) -> None:
    calls = (ToolCall("search", '{"query": "capital"}', "a"), ToolCall("search", '{"query": ', "b"))
    reply = make(("I will look.", *calls)).reply(QUESTION, tools=[SEARCH])
    parts = parts_of(reply)
    assert "".join(part for part in parts if isinstance(part, str)) == "I will look."
    assert tuple(part for part in parts if isinstance(part, ToolCall)) == calls
    assert reply.finish == "tools"


def test_the_result_of_a_tool_is_answered(make: Make) -> None:
    call = ToolCall("search", '{"query": "capital"}', "a")
    model = make("Paris [1].")
    messages = [*QUESTION, Message("assistant", calls=(call,)), Message("tool", "[1] Paris", call_id="a")]
    assert text_of(model.reply(messages, tools=[SEARCH])) == "Paris [1]."


def test_replies_follow_one_another(make: Make) -> None:
    model = make("one", "two")
    assert [text_of(model.reply(QUESTION)) for _ in range(3)] == ["one", "two", "two"]


def test_a_reply_may_be_left_early(make: Make) -> None:
    model = make("one two three", "four")
    with model.reply(QUESTION) as reply:
        assert next(iter(reply)) == "one"
    assert text_of(model.reply(QUESTION)) == "four"


def test_a_failure_is_an_error_of_the_tree(make: Make) -> None:
    model = make(ModelBusy("too many requests"), "fine")
    with pytest.raises(ModelBusy):
        text_of(model.reply(QUESTION))
    assert text_of(model.reply(QUESTION)) == "fine"


def test_threads_share_a_model(make: Make) -> None:
    model = make("the same for all")
    texts: list[str] = []
    threads = [
        threading.Thread(target=lambda: texts.append(text_of(model.reply(QUESTION)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == ["the same for all"] * 8

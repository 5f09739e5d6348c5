"""The list of models, and errors in OpenAI's shape."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest

from openbook.answer.language_model import ScriptedModel
from openbook.errors import (
    KeyRefused,
    LibraryLocked,
    ModelBusy,
    ModelUnreachable,
    OpenbookError,
    PromptTooLong,
    StorageFull,
    UsageError,
)
from openbook.serve.openai_api.errors import UNEXPECTED, error_form
from tests.openai_api.serving import Scripted, Serving

HELLO: Any = [{"role": "user", "content": "What does the heron eat?"}]


def test_every_library_is_a_model_and_so_is_what_makes_vectors(client: openai.OpenAI) -> None:
    models = client.models.list().data
    assert [model.id for model in models] == ["birds", "written", "words", "hashed words"]
    assert {model.object for model in models} == {"model"}
    assert {model.owned_by for model in models} == {"openbook"}


@pytest.mark.parametrize("name", ["birds", "hashed words"])
def test_one_model_can_be_looked_up(client: openai.OpenAI, name: str) -> None:
    assert client.models.retrieve(name).id == name


@pytest.mark.parametrize("name", ["gpt-4o", "a/b", "ü"])
def test_an_unknown_model_is_not_found(client: openai.OpenAI, name: str) -> None:
    with pytest.raises(openai.NotFoundError, match="'birds'") as caught:
        client.models.retrieve(name)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError, match="'birds'"):
        client.chat.completions.create(model=name, messages=HELLO)
    with pytest.raises(openai.NotFoundError, match="'hashed words'"):
        client.embeddings.create(model=name, input="heron")


@pytest.mark.parametrize(
    "body",
    [
        {"model": "x" * 100_000, "messages": HELLO},
        {"model": "birds", "messages": [{"role": "x" * 100_000, "content": "?"}]},
        {"model": "birds", "messages": [{"role": "user", "content": [{"type": "x" * 100_000}]}]},
    ],
)
def test_an_error_never_repeats_pages_of_a_request(serving: Serving, body: dict[str, Any]) -> None:
    reply = httpx2.post(f"{serving.address}/v1/chat/completions", json=body)
    assert reply.status_code in (400, 404)
    assert len(reply.content) < 1_000


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("n", 2),
        ("logprobs", True),
        ("tools", [{"type": "function", "function": {"name": "f", "parameters": {}}}]),
        ("tool_choice", "required"),
        ("response_format", {"type": "json_object"}),
        ("stop", ["\n"]),
        ("modalities", ["text", "audio"]),
        ("logit_bias", {"50256": -100}),
        ("max_tokens", 0),
        ("max_tokens", "many"),
        ("stream", "yes"),
        ("openbook", "strict"),
    ],
)
def test_what_cannot_be_fulfilled_is_refused_by_its_name(
    client: openai.OpenAI, param: str, value: object
) -> None:
    with pytest.raises(openai.BadRequestError, match=param) as caught:
        client.chat.completions.create(model="birds", messages=HELLO, extra_body={param: value})
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("wishes", "param"),
    [
        ({"k": 0}, "openbook.k"),
        ({"k": 100_000}, "openbook.k"),
        ({"where": "path=a*"}, "openbook.where"),
        ({"where": ["path=\0"]}, "openbook.where"),
        ({"strict": 1}, "openbook.strict"),
        ({"model": 4}, "openbook.model"),
        ({"colour": "red"}, "openbook.colour"),
    ],
)
def test_wishes_are_checked(client: openai.OpenAI, wishes: object, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="birds", messages=HELLO, extra_body={"openbook": wishes})
    assert caught.value.param == param


@pytest.mark.parametrize(
    "harmless",
    [{"n": 1}, {"stop": None}, {"tools": []}, {"response_format": {"type": "text"}}, {"top_k": 40}],
    ids=str,
)
def test_what_asks_for_nothing_special_is_accepted(client: openai.OpenAI, harmless: dict[str, Any]) -> None:
    completion = client.chat.completions.create(model="birds", messages=HELLO, extra_body=harmless)
    assert completion.choices[0].message.content


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        (["hello"], "messages[0]"),
        ([{"role": "user", "content": "  "}], "messages"),
        ([{"role": "user", "content": "x" * 20_001}], "messages"),
        ([{"role": "system", "content": "Be brief."}], "messages"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "messages"),
        ([{"role": "tool", "content": "3", "tool_call_id": "1"}], "messages[0]"),
        ([{"role": "user", "content": None}], "messages[0].content"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}],
            "messages[0].content[0]",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_messages_without_a_question_are_refused(
    client: openai.OpenAI, messages: list[Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="birds", messages=messages)
    assert caught.value.param == param


def test_a_wrong_condition_is_said_before_anything_is_streamed(client: openai.OpenAI) -> None:
    for streaming in (True, False):
        with pytest.raises(openai.BadRequestError, match="page"):
            client.chat.completions.create(
                model="birds",
                messages=HELLO,
                stream=streaming,
                extra_body={"openbook": {"where": ["page<many"]}},
            )


@pytest.mark.parametrize(
    "body", ["", "{", "[]", '"text"', "[" * 100_000, '{"model": 1, "messages": []}', "\xff"], ids=range(7)
)
@pytest.mark.parametrize("path", ["chat/completions", "responses", "embeddings"])
def test_no_body_is_more_than_a_bad_request(serving: Serving, path: str, body: str) -> None:
    reply = httpx2.post(f"{serving.address}/v1/{path}", content=body.encode("latin-1"))
    assert reply.status_code == 400
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("path", ["completions", "files", "chat", "images/generations", "models/birds/x"])
def test_other_addresses_are_named_as_unknown(serving: Serving, path: str) -> None:
    reply = httpx2.post(f"{serving.address}/v1/{path}", json={})
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "unknown_url"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ModelBusy("too many"), openai.RateLimitError),
        (ModelUnreachable("nobody there"), openai.InternalServerError),
        (KeyRefused("wrong key"), openai.InternalServerError),
        (PromptTooLong("too long"), openai.BadRequestError),
        (ZeroDivisionError("our mistake"), openai.InternalServerError),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("streaming", [True, False])
def test_a_model_that_fails_at_once_has_a_status_of_its_own(
    client: openai.OpenAI,
    written: Scripted,
    error: Exception,
    kind: type[openai.APIStatusError],
    streaming: bool,
) -> None:
    written.writer = ScriptedModel(error)
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model="written", messages=HELLO, stream=streaming)
    told = str(error) if isinstance(error, OpenbookError) else UNEXPECTED
    assert caught.value.body is not None
    assert told in str(caught.value.body)


@pytest.mark.parametrize(
    ("error", "status"),
    [(UsageError("a"), 400), (LibraryLocked("b"), 503), (StorageFull("c"), 500), (KeyError("d"), 500)],
    ids=str,
)
def test_errors_have_the_status_that_clients_act_on(error: Exception, status: int) -> None:
    found, body = error_form(error)
    assert found == status
    assert json.loads(json.dumps(body)) == body

"""Clients that go away: what was begun for them ends, and the server goes on."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import openai
import pytest

from openbook.answer.language_model import ScriptedModel, Tool
from openbook.errors import ReplyBroken
from openbook.types import Message
from tests.openai_api.serving import Scripted, Serving

QUESTION = "What does the grey heron eat?"
SECONDS = 60


@dataclass
class Endless:
    """A model whose reply never ends by itself. `begun` and `left` tell when it is read, and no longer."""

    name: str = "endless"
    context_tokens: int = 8_192
    counted_by: str = "words"
    usage: Mapping[str, int] = field(default_factory=dict)
    finish: str = ""
    begun: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def reply(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
    ) -> Endless:
        return self

    def __iter__(self) -> Iterator[str]:
        while True:
            self.begun.set()
            yield "on and "

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.left.set()


def send(serving: Serving, body: Mapping[str, object], path: str) -> socket.socket:
    """A raw connection on which one request has been sent."""
    content = json.dumps(body).encode()
    head = f"POST /v1/{path} HTTP/1.1\r\nHost: 127.0.0.1:{serving.port}\r\nContent-Length: {len(content)}\r\n"
    connection = socket.create_connection(("127.0.0.1", serving.port))
    connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + content)
    return connection


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("path", ["chat/completions", "responses"])
def test_an_answer_stops_when_its_reader_leaves(
    serving: Serving, client: openai.OpenAI, written: Scripted, path: str, streaming: bool
) -> None:
    written.writer = model = Endless()
    messages = [{"role": "user", "content": QUESTION}]
    body = {"model": "written", "messages": messages, "input": QUESTION, "stream": streaming}
    if path == "responses":
        del body["messages"]
    with send(serving, body, path) as connection:
        if streaming:
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert model.begun.wait(SECONDS)
        assert not model.left.is_set()
    assert model.left.wait(SECONDS)
    assert client.models.list().data


def test_a_reply_that_breaks_off_is_kept_as_far_as_it_came(client: openai.OpenAI, written: Scripted) -> None:
    class Breaking(ScriptedModel):
        def reply(self, messages: Sequence[Message], **options: object) -> Broken:  # type: ignore[override]
            return Broken()

    class Broken(Endless):
        def __iter__(self) -> Iterator[str]:
            yield "The grey heron eats fish, frogs and voles [1]."
            raise ReplyBroken("the line went dead")

    written.writer = Breaking()
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
    chunks = list(client.chat.completions.create(model="written", messages=messages, stream=True))
    assert chunks[-1].choices[0].finish_reason == "length"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text.startswith("The grey heron eats fish, frogs and voles [1].")
    assert "the line went dead" in text


def test_an_error_in_the_midst_of_a_stream_is_its_last_event(
    client: openai.OpenAI, written: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openbook.serve.openai_api import asking

    def fail(*arguments: object, **options: object) -> None:
        raise ReplyBroken("the check could not be made")

    written.writer = ScriptedModel("The grey heron eats fish [1].")
    monkeypatch.setattr(asking, "rest_of_text", fail)
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
    stream = client.chat.completions.create(model="written", messages=messages, stream=True)
    with pytest.raises(openai.APIError, match="the check could not be made"):
        list(stream)

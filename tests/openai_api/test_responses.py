"""The Responses API with the official client, as far as its basic call goes."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest
from openai.types.responses import Response, ResponseOutputMessage, ResponseOutputText

from openbook.answer.language_model import ScriptedModel
from openbook.serve.openai_api.asking import NOT_FOLLOWED
from tests.openai_api.serving import Scripted, Serving

EATS = "The grey heron eats fish, frogs and voles."
QUESTION = "What does the grey heron eat?"


def part_of(response: Response) -> ResponseOutputText:
    (message,) = response.output
    assert isinstance(message, ResponseOutputMessage)
    (part,) = message.content
    assert isinstance(part, ResponseOutputText)
    return part


def extension(response: Response) -> dict[str, Any]:
    assert response.model_extra is not None
    found: dict[str, Any] = response.model_extra["openbook"]
    return found


def cited(response: Response) -> list[str]:
    """The stretches of the text that its annotations point at."""
    found = []
    for annotation in part_of(response).annotations:
        assert annotation.type == "url_citation"
        found.append(response.output_text[annotation.start_index : annotation.end_index])
    return found


def test_a_response_holds_the_answer_and_its_citations(client: openai.OpenAI) -> None:
    response = client.responses.create(model="birds", input=QUESTION)
    assert response.status == "completed"
    assert EATS in response.output_text
    assert EATS in cited(response)
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert extension(response)["status"] == "answered"


def test_instructions_are_not_followed_and_messages_are_a_conversation(client: openai.OpenAI) -> None:
    given: Any = [
        {"role": "user", "content": "Where does the swift sleep?"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "On the wing.", "annotations": []}],
        },
        {"role": "user", "content": [{"type": "input_text", "text": "And where does it land?"}]},
    ]
    response = client.responses.create(model="birds", input=given, instructions="Speak like a pirate.")
    assert "lands only to nest" in response.output_text
    assert NOT_FOLLOWED in extension(response)["notes"]
    assert response.instructions == "Speak like a pirate."


def test_halves_of_characters_harm_nothing(serving: Serving) -> None:
    body = '{"model": "birds", "instructions": "\\ud83d", "input": "What does the heron eat \\ud83d?"}'
    reply = httpx2.post(f"{serving.address}/v1/responses", content=body)
    assert reply.status_code == 200
    assert EATS in reply.json()["output"][0]["content"][0]["text"]


def test_a_response_is_streamed_in_the_order_of_its_events(client: openai.OpenAI, written: Scripted) -> None:
    text = "The grey heron eats fish, frogs and voles [1]. It weighs forty tons [1]."
    written.writer = ScriptedModel(text)
    with client.responses.stream(model="written", input=QUESTION) as stream:
        events = list(stream)
        response = stream.get_final_response()
    kinds = list(dict.fromkeys(event.type for event in events))
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.annotation.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    numbers = [event.sequence_number for event in events]
    assert numbers == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > len(text.split())
    assert "".join(deltas) == response.output_text
    assert response.output_text.startswith(text)
    assert cited(response) == ["The grey heron eats fish, frogs and voles [1]."]


def test_a_response_that_was_cut_off_says_so(client: openai.OpenAI, written: Scripted) -> None:
    written.writer = ScriptedModel("The grey heron eats fish, frogs and voles [1]. And it waits for hours.")
    response = client.responses.create(model="written", input=QUESTION, max_output_tokens=9)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", "conv_1"),
        ("tools", [{"type": "web_search"}]),
        ("text", {"format": {"type": "json_object"}}),
        ("background", True),
        ("instructions", ["a"]),
        ("input", []),
        ("input", 3),
        ("max_output_tokens", -1),
    ],
)
def test_what_cannot_be_fulfilled_is_refused(client: openai.OpenAI, param: str, value: object) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="birds", input=QUESTION, extra_body={param: value})
    assert caught.value.param == param


def test_how_wordy_an_answer_should_be_is_no_reason_to_refuse_it(client: openai.OpenAI) -> None:
    response = client.responses.create(model="birds", input=QUESTION, text={"verbosity": "low"})
    assert EATS in response.output_text

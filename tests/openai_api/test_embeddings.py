"""Embeddings with the official client: the library's own vectors."""

from __future__ import annotations

from typing import Any

import httpx2
import numpy as np
import openai
import pytest

from openbook.errors import ModelError
from tests.openai_api.serving import Serving

TEXTS = ["The swift sleeps on the wing.", "trout", "halves \ud83d of characters"]


@pytest.mark.parametrize("model", ["birds", "hashed words", "hashed words (64)"])
@pytest.mark.parametrize("form", [openai.NOT_GIVEN, "float", "base64"], ids=["absent", "float", "base64"])
def test_vectors_are_those_of_the_library(
    client: openai.OpenAI, serving: Serving, form: Any, model: str
) -> None:
    texts = TEXTS[:2]
    reply = client.embeddings.create(model=model, input=texts, encoding_format=form)
    rows = [one.embedding for one in reply.data]
    if form == "base64":
        import base64

        rows = [np.frombuffer(base64.b64decode(str(row)), "<f4").tolist() for row in rows]
    expected = serving.shelf.desk("birds").library.embed(texts)
    assert np.array_equal(np.array(rows, np.float32), expected)
    assert [one.index for one in reply.data] == [0, 1]
    assert reply.model == "hashed words"
    assert reply.usage.prompt_tokens == reply.usage.total_tokens == 7


def test_one_text_need_not_be_in_a_list(client: openai.OpenAI) -> None:
    assert len(client.embeddings.create(model="birds", input="trout").data) == 1


def test_many_texts_keep_their_order(client: openai.OpenAI, serving: Serving) -> None:
    texts = [f"word{number}" for number in range(150)]
    reply = client.embeddings.create(model="birds", input=texts)
    expected = serving.shelf.desk("birds").library.embed(texts)
    assert np.array_equal(np.array([one.embedding for one in reply.data], np.float32), expected)
    assert [one.index for one in reply.data] == list(range(150))


def test_halves_of_characters_are_embedded_as_far_as_they_can_be(serving: Serving) -> None:
    content = '{"model": "birds", "input": ["half \\ud83d"]}'
    reply = httpx2.post(f"{serving.address}/v1/embeddings", content=content)
    assert reply.status_code == 200
    assert len(reply.json()["data"][0]["embedding"]) == 64


def test_the_library_has_vectors_for_others(serving: Serving) -> None:
    library = serving.shelf.desk("birds").library
    vectors = library.embed(TEXTS, role="query")
    assert vectors.shape == (3, 64)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    words = serving.shelf.desk("words").library
    assert words.embedder() is None
    with pytest.raises(ModelError, match="Nothing here makes vectors"):
        words.embed(["trout"])


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": [1, 2, 3]}, "input"),
        ({"input": [[1, 2], [3]]}, "input"),
        ({"input": {"text": "a"}}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"dimensions": 32}, "dimensions"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"openbook": {"role": "passage"}}, "openbook.role"),
        ({"model": "words"}, "model"),
        ({"model": ""}, "model"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_has_no_vectors_is_refused(serving: Serving, wanted: dict[str, Any], param: str) -> None:
    body = {"model": "birds", "input": "heron", **wanted}
    reply = httpx2.post(f"{serving.address}/v1/embeddings", json=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == param


def test_the_dimension_of_the_model_may_be_named(client: openai.OpenAI) -> None:
    assert len(client.embeddings.create(model="birds", input="a", dimensions=64).data[0].embedding) == 64

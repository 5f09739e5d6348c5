"""Conversations over HTTP: listed, read, renamed, exported, deleted."""

from __future__ import annotations

import csv
import io
import json

import pytest
from starlette.testclient import TestClient

QUESTION = "What does the heron eat?"


@pytest.fixture
def conversation(client: TestClient) -> int:
    """A conversation with one turn."""
    number: int = client.post("/api/ask", json={"question": QUESTION, "keep": True}).json()["conversation"]
    return number


def test_a_conversation_is_listed_read_and_renamed(client: TestClient, conversation: int) -> None:
    listed = client.get("/api/conversations").json()["conversations"]
    assert [(one["id"], one["name"], one["turns"]) for one in listed] == [(conversation, QUESTION, 1)]
    renamed = client.patch(f"/api/conversations/{conversation}", json={"name": "  Herons  "}).json()
    assert renamed == {**listed[0], "name": "Herons"}
    read = client.get(f"/api/conversations/{conversation}").json()
    assert (read["name"], read["turns"][0]["question"]) == ("Herons", QUESTION)
    assert read["turns"][0]["answer"]["evidence"][0]["text"]
    for name in ("", " \u200b\n"):
        assert client.patch(f"/api/conversations/{conversation}", json={"name": name}).status_code == 422


def test_a_conversation_is_exported_in_three_forms(client: TestClient, conversation: int) -> None:
    place = f"/api/conversations/{conversation}/export"
    markdown = client.get(place)
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert markdown.headers["content-disposition"] == f'attachment; filename="conversation-{conversation}.md"'
    assert markdown.text.startswith("# What does the heron eat?\n")
    assert json.loads(client.get(place, params={"form": "json"}).text)["turns"][0]["question"] == QUESTION
    rows = list(csv.DictReader(io.StringIO(client.get(place, params={"form": "csv"}).text)))
    assert [row["question"] for row in rows] == [QUESTION]
    assert client.get(place, params={"form": "html"}).status_code == 422


def test_a_deleted_conversation_is_gone(client: TestClient, conversation: int) -> None:
    place = f"/api/conversations/{conversation}"
    assert client.delete(place).json()["id"] == conversation
    for reply in (client.get(place), client.delete(place), client.get(f"{place}/export")):
        assert (reply.status_code, reply.json()["type"]) == (404, "urn:openbook:problem:conversation-unknown")
    assert client.get("/api/conversations").json() == {"conversations": []}

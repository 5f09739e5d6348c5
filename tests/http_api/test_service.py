"""Health, readiness and the OpenAPI document, whose examples are what it describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from openbook import __version__
from openbook.serve.application import create_app
from openbook.serve.desk import Desk, Shelf
from openbook.serve.options import ServeOptions
from tests.http_api.conftest import ADDRESS


def test_a_server_is_alive_before_it_is_ready(shelf: Shelf, desk: Desk, options: ServeOptions) -> None:
    client = TestClient(create_app(shelf, options), base_url=ADDRESS)  # without its start, nothing is loaded
    assert client.get("/api/health").json() == {"status": "alive", "version": __version__}
    waiting = client.get("/api/ready")
    assert (waiting.status_code, waiting.json()["type"]) == (503, "urn:openbook:problem:not-ready")
    assert "retry-after" in waiting.headers
    desk.trouble = "The model is damaged."
    assert "The model is damaged." in client.get("/api/ready").json()["detail"]
    desk.background.close()


def test_a_server_that_has_started_gets_ready(client: TestClient, desk: Desk) -> None:
    client.portal.call(desk.warm)  # type: ignore[union-attr]
    assert client.get("/api/ready").json() == {"status": "ready", "libraries": ["notes"]}


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = client.get("/api/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    known = {tag["name"] for tag in document["tags"]}
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["description"], name
        assert set(operation["tags"]) <= known | {"map", "view"}, name
        for status, reply in operation["responses"].items():
            if int(status) >= 400:
                assert list(reply["content"]) == ["application/problem+json"], f"{name} {status}"
        assert {"422", "500"} <= operation["responses"].keys(), name


def test_every_example_is_what_its_schema_says(document: dict[str, Any]) -> None:
    checked = 0
    for name, operation in operations(document):
        for status, reply in operation["responses"].items():
            for kind, content in reply.get("content", {}).items():
                if "example" in content and kind.endswith("json"):
                    root = {**content["schema"], "components": document["components"]}
                    problems = list(Draft202012Validator(root).iter_errors(content["example"]))
                    assert not problems, f"{name} {status}: {problems[0].message}"
                    checked += 1
    assert checked > 100


def test_replies_name_all_their_fields(document: dict[str, Any]) -> None:
    for name in ("Hit", "Answer", "Job", "Report", "Verification", "LibraryStatus", "ListedFile"):
        schema = document["components"]["schemas"][name]
        assert set(schema["required"]) == set(schema["properties"]), name
    assert "counts" in document["components"]["schemas"]["Report"]["properties"]

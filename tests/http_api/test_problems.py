"""Every error is problem details: of openbook, of the request, of the address, and what nobody expected."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from openbook import errors
from openbook.errors import OpenbookError
from openbook.library import Library
from openbook.serve import problems
from openbook.serve.application import create_app
from openbook.serve.desk import Desk, Shelf
from openbook.serve.options import ServeOptions
from tests.http_api.conftest import ADDRESS, SETTINGS, opened


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One desk for all tests of this module, which change nothing."""
    with opened(tmp_path_factory.mktemp("problems")) as library:
        yield Shelf.open([library], ServeOptions(web=False)).desk()


@pytest.fixture(scope="module")
def client(desk: Desk) -> Iterator[TestClient]:
    """One client for all tests of this module."""
    app = create_app(Shelf({desk.name: desk}), desk.options)
    with TestClient(app, base_url=ADDRESS, raise_server_exceptions=False) as client:
        yield client


def all_errors(parent: type[OpenbookError] = OpenbookError) -> set[type[OpenbookError]]:
    return {parent} | {kind for child in parent.__subclasses__() for kind in all_errors(child)}


def test_every_error_of_openbook_has_a_kind_of_its_own() -> None:
    own = {kind for kind in all_errors() if kind.__module__ == errors.__name__}
    assert own - {OpenbookError} == set(problems.KINDS)
    names = [kind.name for kind in problems.KINDS.values()]
    assert len(set(names)) == len(names)
    assert all(400 <= kind.status < 600 for kind in problems.KINDS.values())


@pytest.mark.parametrize("error", list(problems.KINDS))
def test_an_error_is_told_with_its_type_status_and_message(
    client: TestClient, desk: Desk, error: type[OpenbookError], monkeypatch: pytest.MonkeyPatch
) -> None:
    raised = errors.MissingExtra("It", extra="x") if error is errors.MissingExtra else error("It says why.")

    def failing(question: str, **options: object) -> None:
        raise raised

    monkeypatch.setattr(desk, "search", failing)
    reply = client.get("/api/search?q=x")
    kind = problems.KINDS[error]
    assert reply.status_code == kind.status
    assert reply.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in reply.headers) == kind.retry
    assert reply.json() == {
        "type": f"urn:openbook:problem:{kind.name}",
        "title": kind.title,
        "status": kind.status,
        "detail": str(raised),
        "instance": "/api/search",
    }


def test_what_nobody_expected_is_logged_and_not_told(
    client: TestClient, desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(question: str, **options: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(desk, "search", failing)
    with caplog.at_level(logging.ERROR, logger="openbook.serve"):
        reply = client.get("/api/search?q=x")
    assert (reply.status_code, reply.json()["type"]) == (500, "urn:openbook:problem:unexpected")
    assert "secret" not in reply.text
    assert any(one.exc_info and "secret" in str(one.exc_info[1]) for one in caplog.records)


def test_addresses_and_methods_that_are_not_there(client: TestClient) -> None:
    for path in ("/api/", "/api/nothing", "/api/documents/", "/api/documents/x", "/api/../api/x"):
        reply = client.get(path)
        assert (reply.status_code, reply.json()["type"]) == (404, "urn:openbook:problem:not-found")
    refused = client.put("/api/documents")
    assert (refused.status_code, refused.headers["allow"]) == (405, "DELETE, GET")
    assert refused.json()["type"] == "urn:openbook:problem:method-not-allowed"


def test_a_wrong_field_is_named(client: TestClient) -> None:
    reply = client.post("/api/search", json={"question": "x", "k": "5", "wherre": []})
    assert (reply.status_code, reply.json()["type"]) == (422, "urn:openbook:problem:invalid-request")
    assert {one["location"] for one in reply.json()["errors"]} == {"body/k", "body/wherre"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"question": "\\u0000"}', 422),
        (b'{"question": "a\\u0000b"}', 422),
        (b'{"question": "\\ud800"}', 422),
        (b'{"question": " \\u200b\\n"}', 422),
        (b'{"question": "x", "k": 1e400}', 422),
        (b'{"question": "x", "k": ' + b"9" * 5_000 + b"}", 400),
        (b'{"question": "x", "k": true}', 422),
        (b'{"question": "x", "where": ["\\ud800=1"]}', 422),
        (b'{"question": "x", "where": ["page<1\\u0000"]}', 422),
        (b'{"question": "x", "where": ["document=' + b"9" * 400 + b'"]}', 200),
        (b'{"question": NaN}', 422),
        (b"[" * 100_000, 400),
        (b'{"question": "x"', 400),
        (b"\xff\xfe", 400),
        (b"", 422),
        (b"null", 422),
        (b'{"question": "' + b"x" * 20_001 + b'"}', 422),
    ],
)
def test_strange_bodies_are_mistakes_of_the_client(client: TestClient, body: bytes, status: int) -> None:
    reply = client.post("/api/search", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == status
    if status != 200:
        assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        "/api/search?q=%00",
        "/api/search?q=x&k=99999999999999999999",
        "/api/search?q=x&explain=yes",
        "/api/documents/99999999999999999999999999",
        "/api/documents/1?start=-1",
        "/api/documents?limit=0",
        "/api/documents?offset=9223372036854775808",
        "/api/status?library=%00",
        "/api/conversations/0",
    ],
)
def test_strange_addresses_are_mistakes_of_the_client(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 422


@pytest.mark.parametrize("path", ["/documents/{}", "/documents/{}/file", "/conversations/{}/export"])
def test_nothing_is_at_a_number_that_nobody_could_read(client: TestClient, path: str) -> None:
    reply = client.get("/api" + path.format("9" * 5_000))
    assert (reply.status_code, reply.json()["type"]) == (404, "urn:openbook:problem:not-found")


def test_a_question_of_one_endless_word_is_answered(client: TestClient) -> None:
    assert client.post("/api/search", json={"question": "x" * 20_000}).status_code == 200


def test_a_library_is_named_by_the_address(library: Library, tmp_path: Path, options: ServeOptions) -> None:
    with Library(tmp_path / "other.openbook", settings=SETTINGS) as other:
        app = create_app(Shelf.open([library, other], options), options)
        with TestClient(app, base_url=ADDRESS) as client:
            named = client.get("/api/libraries").json()["libraries"]
            assert [(one["name"], one["default"], one["documents"]) for one in named] == [
                ("notes", True, 3), ("other", False, 0),
            ]  # fmt: skip
            assert client.get("/api/status").json()["documents"] == 3
            assert client.get("/api/status?library=other").json()["documents"] == 0
            lost = client.get("/api/status?library=third")
    assert (lost.status_code, lost.json()["type"]) == (404, "urn:openbook:problem:library-unknown")

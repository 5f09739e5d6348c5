"""The map over HTTP: real requests to the real application, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from fastapi import FastAPI

from openbook.library import Library
from openbook.serve import http_api
from openbook.serve.desk import Desk, Shelf
from openbook.serve.options import ServeOptions
from openbook.settings import Settings


@asynccontextmanager
async def client(folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Desk]]:
    """A client of the API of one library, whose map by principal components is drawn."""
    library = Library(folder, settings=Settings(embedder="hash:64"), create=False)
    options = ServeOptions()
    shelf = Shelf.open([library], options)
    app = FastAPI()
    app.state.shelf, app.state.options = shelf, options
    http_api.include(app)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/api") as http:
        await http.get("/map")
        drawing = shelf.desk().maps._drawing
        if drawing is not None:
            await asyncio.wrap_future(drawing)
        yield http, shelf.desk()
    await shelf.close()


def asked(folder: Path, *requests: tuple[str, str, Any]) -> list[httpx.Response]:
    """The replies to (method, path, body), one after the other."""

    async def ask() -> list[httpx.Response]:
        async with client(folder) as (http, _):
            return [await http.request(method, path, json=body) for method, path, body in requests]

    return asyncio.run(ask())


def test_summary_and_points_belong_together(topics_library: Path) -> None:
    (summary, points) = asked(topics_library, ("GET", "/map", None), ("GET", "/map/points", None))
    found = summary.json()
    assert (found["state"], found["count"], found["library"]) == ("ready", 60, "topics")
    assert points.headers["content-type"] == "application/octet-stream"
    assert points.headers["etag"] == f'"{found["version"]}"'
    assert len(points.content) == 60 * (4 * 2 + 10)
    coordinates = np.frombuffer(points.content, "<f4", 120).reshape(60, 2)
    inside = np.abs(coordinates - found["centre"]) <= found["half"] * 1.01
    assert inside.all(axis=1).sum() >= 55


def test_points_that_are_known_are_not_sent_again(topics_library: Path) -> None:
    async def ask() -> tuple[httpx.Response, httpx.Response, httpx.Response]:
        async with client(topics_library) as (http, _):
            first = await http.get("/map/points")
            known = {"If-None-Match": first.headers["etag"]}
            again = await http.get("/map/points", headers=known)
            other = await http.get("/map/points?dimensions=3", headers=known)
            return first, again, other

    first, again, other = asyncio.run(ask())
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert (other.status_code, len(other.content)) == (200, 60 * 22)


def test_the_text_of_a_point(topics_library: Path) -> None:
    (hit,) = asked(
        topics_library, ("POST", "/map/search", {"question": "wheel", "chunk_ids": [1, 2, 3], "k": 1})
    )
    found = hit.json()["hits"][0]
    shown, missing, wrong = asked(
        topics_library,
        ("GET", f"/map/chunk/{found['chunk_id']}", None),
        ("GET", "/map/chunk/99999", None),
        ("GET", "/map/chunk/0", None),
    )
    chunk = shown.json()
    assert found["text"].startswith(chunk["text"])
    assert len(chunk["text"]) <= 300
    assert (chunk["path"], chunk["document_id"]) == (found["path"], found["document_id"])
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:openbook:problem:chunk-unknown")
    assert wrong.status_code == 422


def test_a_search_stays_within_the_selection(topics_library: Path) -> None:
    everywhere, within, nowhere = asked(
        topics_library,
        ("POST", "/map/place", {"question": "wheel spoke brake", "k": 20}),
        ("POST", "/map/search", {"question": "wheel spoke brake", "chunk_ids": [5, 50], "k": 20}),
        ("POST", "/map/search", {"question": "wheel", "chunk_ids": []}),
    )
    assert len(everywhere.json()["hits"]["hits"]) == 20
    assert {hit["chunk_id"] for hit in within.json()["hits"]} <= {5, 50}
    assert within.json()["hits"]
    assert nowhere.json()["hits"] == []


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_question_has_a_place_and_hits(topics_library: Path, dimensions: int) -> None:
    body = {"question": "oven and flour", "dimensions": dimensions, "k": 3}
    (reply,) = asked(topics_library, ("POST", "/map/place", body))
    found = reply.json()
    assert len(found["coordinates"]) == dimensions
    assert found["how"] == "projected"
    assert {hit["path"].split("/")[0] for hit in found["hits"]["hits"]} == {"kitchen"}


def test_what_is_not_drawn_cannot_be_fetched(topics_library: Path) -> None:
    points, place = asked(
        topics_library,
        ("GET", "/map/points?method=tsne", None),
        ("POST", "/map/place", {"question": "oven", "method": "tsne"}),
    )
    assert (points.status_code, points.json()["type"]) == (409, "urn:openbook:problem:map-not-ready")
    assert int(points.headers["retry-after"]) > 0
    assert place.json()["coordinates"] is None
    assert place.json()["how"] == "neighbours"


@pytest.mark.parametrize("body", [
    {"question": ""}, {"question": "x", "k": 0}, {"question": "x", "dimensions": 4},
    {"question": "x", "more": 1}, {"question": "x", "method": "umap"},
])  # fmt: skip
def test_a_wrong_request_is_refused(topics_library: Path, body: dict[str, Any]) -> None:
    (reply,) = asked(topics_library, ("POST", "/map/place", body))
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"


def test_an_unknown_library_is_not_found(topics_library: Path) -> None:
    for reply in asked(
        topics_library, *[("GET", f"/map{path}?library=other", None) for path in ("", "/points", "/chunk/1")]
    ):
        assert reply.status_code == 404


def test_tsne_can_be_begun_and_stopped(topics_library: Path) -> None:
    async def ask() -> tuple[list[httpx.Response], str]:
        async with client(topics_library) as (http, desk):
            waiting = await http.get("/map?method=tsne")
            begun = await http.post("/map/tsne")
            stopped = await http.delete("/map/tsne")
            thread = desk.maps._tsne_thread
            assert thread is not None
            await asyncio.to_thread(thread.join)
            return [waiting, begun, stopped], (await http.get("/map?method=tsne")).json()["state"]

    replies, state = asyncio.run(ask())
    assert [reply.status_code for reply in replies] == [200, 202, 200]
    assert replies[0].json()["state"] == "waiting"
    assert replies[1].json()["state"] == "computing"
    assert state == "cancelled"
    assert not list(topics_library.glob("maps/*"))


def test_what_is_being_removed_is_gone_from_the_map(library: Library) -> None:
    folder = library.path

    async def ask() -> list[httpx.Response]:
        async with client(folder) as (http, desk):
            chunk = (await http.get("/map/chunk/7")).json()
            desk.removals.remove([chunk["document_id"]])
            found = [
                await http.get("/map/chunk/7"),
                await http.get("/map"),
                await http.post("/map/search", json={"question": "wheel", "chunk_ids": [7]}),
            ]
            (pending,) = desk.removals.pending()
            desk.removals.undo(pending.id)
            return [*found, await http.get("/map")]

    gone, summary, search, undone = asyncio.run(ask())
    assert gone.status_code == 404
    assert summary.json()["count"] == 59
    assert search.json()["hits"] == []
    assert undone.json()["count"] == 60


def test_every_operation_is_described(topics_library: Path) -> None:
    (document,) = asked(topics_library, ("GET", "/openapi.json", None))
    paths = {
        path: operations for path, operations in document.json()["paths"].items() if path.startswith("/map")
    }
    assert set(paths) == {
        "/map", "/map/points", "/map/tsne", "/map/chunk/{chunk_id}", "/map/place", "/map/search",
    }  # fmt: skip
    for operations in paths.values():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"]
            assert operation["tags"] == ["map"]

"""The map of a library over HTTP: its summary as JSON, its points as bytes, and searches among them.

Points are bytes because a hundred thousand of them are 2 MB so, and six times
that as JSON, which a browser would parse for half a second. They have an ETag,
so that a page that comes back fetches them once.

Refused: tiles. All points of a library fit into one reply, and a page that has
them all pans, turns and selects without asking again.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from fastapi import APIRouter, Header, Path, Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from openbook.errors import UsageError
from openbook.serve.desk import Desk
from openbook.serve.http_api import parameters
from openbook.serve.http_api.description import documented, reply
from openbook.serve.http_api.parameters import Body, DeskParameter
from openbook.serve.http_api.replies import Json
from openbook.serve.map_shapes import MapChunk, MapPlace, MapSummary, Method
from openbook.serve.problems import Kind, ProblemError
from openbook.types import Hits

router = APIRouter(tags=["map"])

OCTETS: Final = "application/octet-stream"
EXCERPT: Final = 300
"""Characters of a chunk that are shown where a pointer rests on it."""
MOST_SELECTED: Final = 250_000
MAP_NOT_READY: Final = Kind("map-not-ready", 409, "The map is not drawn yet.", retry=True)
CHUNK_UNKNOWN: Final = Kind("chunk-unknown", 404, "The library has no such chunk.")

MethodParameter: TypeAlias = Annotated[
    Method, Query(description="The layout: principal components (at once), or t-SNE (in the background).")
]
Dimensions: TypeAlias = Annotated[
    int, Query(ge=2, le=3, description="Dimensions of the layout. t-SNE has two.", examples=[2])
]
ChunkId: TypeAlias = Annotated[
    int, Path(ge=1, le=parameters.LARGEST, description="The number of a chunk.", examples=[1])
]
HowMany: TypeAlias = Annotated[int, Field(ge=1, le=100, description="How many hits are wanted.")]


class PlaceBody(Body):
    """A question to be shown among the points."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"question": "What does a membership cost?"}]})
    question: parameters.Question
    method: Method = "pca"
    dimensions: Annotated[int, Field(ge=2, le=3)] = 2
    k: HowMany = 10


class SelectionBody(Body):
    """A search among some chunks only."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"question": "What does a membership cost?", "chunk_ids": [1, 2, 3]}]}
    )
    question: parameters.Question
    chunk_ids: Annotated[
        list[parameters.Number], Field(max_length=MOST_SELECTED, description="Where to search.")
    ]
    k: HowMany = 10


_SUMMARY_EXAMPLE: Final[dict[str, Any]] = {
    "library": "notes",
    "method": "pca",
    "dimensions": 2,
    "state": "ready",
    "version": "12-1-9f2b7c01-00000000",
    "outdated": False,
    "progress": None,
    "note": "",
    "count": 3,
    "total": 3,
    "centre": [0.01, -0.02],
    "half": 0.6,
    "shares": [0.21, 0.12],
    "document_count": 1,
    "documents": [{"id": 1, "path": "membership.md", "title": "Membership", "chunks": 3}],
    "clusters": [{"words": ["membership", "fee", "year"], "chunks": 3}],
}
_CHUNK_EXAMPLE: Final[dict[str, Any]] = {
    "chunk_id": 1,
    "document_id": 1,
    "path": "membership.md",
    "title": "Membership",
    "place": "Fees",
    "heading": "Membership > Fees",
    "start": 120,
    "end": 164,
    "text": "A membership costs 40 euros a year.",
    "more": False,
}
_HITS_EXAMPLE: Final[dict[str, Any]] = {
    "question": "What does a membership cost?",
    "hits": [],
    "meant": "What does a membership cost?",
    "coverage": 1.0,
    "notes": [],
    "context": 0.0,
}
_NO_POINTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Little-endian arrays, one after the other: float32 coordinates (n × dimensions, "
        "point by point), uint32 numbers of documents, uint32 chunk ids, uint16 numbers of clusters. "
        "n is the length divided by 4 × dimensions + 10.",
        "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "The points are those of the ETag that was sent."},
    **documented(MAP_NOT_READY),
}


@router.get(
    "/map",
    response_model=MapSummary,
    responses=reply(_SUMMARY_EXAMPLE),
    summary="The map: its state, documents and clusters",
)
async def map_summary(
    desk: DeskParameter, method: MethodParameter = "pca", dimensions: Dimensions = 2
) -> Json:
    """The map without its points. A map by principal components begins to be drawn when it is asked for."""
    return Json(await desk.background.run(desk.maps.summary, method, dimensions))


@router.get(
    "/map/points",
    response_class=Response,
    responses=_NO_POINTS,
    summary="The points of a map",
)
async def map_points(
    desk: DeskParameter,
    method: MethodParameter = "pca",
    dimensions: Dimensions = 2,
    if_none_match: Annotated[str, Header(max_length=1_000)] = "",
) -> Response:
    """All points of a map that is ready, as bytes. Order and numbers are those of the summary."""
    found = await desk.background.run(desk.maps.points, method, dimensions)
    if found is None:
        raise ProblemError(MAP_NOT_READY, f"There is no map by {method} in {dimensions} dimensions yet.")
    content, version = found
    headers = {"ETag": f'"{version}"', "Cache-Control": "private, no-cache"}
    if headers["ETag"] in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=OCTETS)


@router.post(
    "/map/tsne",
    response_model=MapSummary,
    status_code=202,
    responses=reply(_SUMMARY_EXAMPLE, MAP_NOT_READY, status=202, description="It runs, or is there."),
    summary="Begin a layout by t-SNE",
)
async def begin_tsne(desk: DeskParameter) -> Json:
    """Begin the t-SNE of the map as it is drawn. Nothing happens where it runs, or is there."""
    try:
        await desk.background.run(desk.maps.start_tsne)
    except UsageError as error:
        raise ProblemError(MAP_NOT_READY, str(error)) from error
    return Json(await desk.background.run(desk.maps.summary, "tsne", 2), 202)


@router.delete(
    "/map/tsne",
    response_model=MapSummary,
    responses=reply(_SUMMARY_EXAMPLE),
    summary="Stop a layout by t-SNE",
)
async def stop_tsne(desk: DeskParameter) -> Json:
    """Stop a t-SNE that runs."""
    await desk.background.run(desk.maps.cancel_tsne)
    return Json(await desk.background.run(desk.maps.summary, "tsne", 2))


@router.get(
    "/map/chunk/{chunk_id}",
    response_model=MapChunk,
    responses=reply(_CHUNK_EXAMPLE, CHUNK_UNKNOWN),
    summary="The text of one point",
)
async def map_chunk(desk: DeskParameter, chunk_id: ChunkId) -> Json:
    """Where a chunk stands, and how it begins."""
    return Json(await desk.background.run(_chunk, desk, chunk_id))


@router.post(
    "/map/place",
    response_model=MapPlace,
    responses=reply({"coordinates": [0.1, 0.2], "how": "projected", "hits": _HITS_EXAMPLE}),
    summary="A question among the points",
)
async def place_question(desk: DeskParameter, body: PlaceBody) -> Json:
    """Where a question belongs on a map, and the chunks that a search for it finds."""
    return Json(await desk.background.run(_place, desk, body))


@router.post(
    "/map/search",
    response_model=Hits,
    responses=reply(_HITS_EXAMPLE),
    summary="Search among some chunks",
)
async def search_selection(desk: DeskParameter, body: SelectionBody) -> Json:
    """The best hits among these chunks. Chunks that the library does not have (any more) do not count."""
    return Json(await desk.background.run(desk.search, body.question, k=body.k, within=body.chunk_ids))


def _chunk(desk: Desk, chunk_id: int) -> MapChunk:
    record = desk.library.chunks([chunk_id]).get(chunk_id)
    if record is None or record.document_id in desk.removals.pending_documents():
        raise ProblemError(CHUNK_UNKNOWN, f"The library has no chunk {chunk_id}; it may have been removed.")
    return MapChunk(
        chunk_id=chunk_id,
        document_id=record.document_id,
        path=record.path,
        title=record.title,
        place=record.place,
        heading=record.heading,
        start=record.start,
        end=record.end,
        text=record.text[:EXCERPT],
        more=len(record.text) > EXCERPT,
    )


def _place(desk: Desk, body: PlaceBody) -> MapPlace:
    return MapPlace(
        desk.maps.place(body.question, body.method, body.dimensions),
        "projected" if body.method == "pca" else "neighbours",
        desk.search(body.question, k=body.k),
    )

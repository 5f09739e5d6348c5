"""The OpenAPI document: what FastAPI finds out by itself, and what it cannot know.

It cannot know that every error is a problem (RFC 9457), that a reply always
holds all of its fields, and the few properties that `json_form` adds to them.

Refused: a second model for every noun. The document is made from the nouns
themselves, and a test holds real replies against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from openbook.events import Event
from openbook.serve import problems
from openbook.serve.http_api.replies import EVENT_STREAM
from openbook.serve.http_api.shapes import VERSION, ConversationKept
from openbook.serve.problems import MEDIA_TYPE, PREFIX, Kind, Problem

TITLE: Final = "openbook"
DESCRIPTION: Final = """\
Search and ask your own documents; every claim of an answer rests on a quote that the program has checked.

Every operation takes the query parameter `library`, which names one of the libraries that are served; the
first one is meant where it is absent. Every error is answered as problem details (RFC 9457) with a stable
`type`. Where a server has a token, it is sent as `Authorization: Bearer …`.
"""
TAGS: Final = (
    {"name": "search", "description": "Find places in the documents."},
    {"name": "ask", "description": "Answers with checked citations, or an honest `not_found`."},
    {"name": "conversations", "description": "Questions that follow each other, kept in the library."},
    {"name": "documents", "description": "What the library holds, and how every file of it fared."},
    {"name": "jobs", "description": "Long work: synchronising, reading uploads, verifying."},
    {"name": "removals", "description": "Removing documents, which can be undone for a few seconds."},
    {"name": "map", "description": "Every chunk as a point, in clusters that have names."},
    {"name": "server", "description": "The server and its libraries."},
)

EVERYWHERE: Final = (
    problems.BODY_BROKEN,
    Kind("unauthorized", 401, "This server asks for a token."),
    Kind("forbidden", 403, "The request comes from a place that may not call this server."),
    problems.LIBRARY_UNKNOWN,
    Kind("too-slow", 408, "The request came too slowly."),
    problems.TOO_LARGE,
    Kind("address-too-long", 414, "The address is too long."),
    Kind("unknown-host", 421, "This server has another name."),
    problems.INVALID,
    Kind("too-many-requests", 429, "Too many requests in a minute.", retry=True),
    problems.UNEXPECTED,
    Kind("library", 503, "The library, or its embedding model, cannot be used now."),
)
"""Problems that any operation may be answered with."""

ANSWER_EVENTS: Final[Mapping[str, str]] = {
    "retrieval": "RetrievalEvent",
    "prompt": "PromptEvent",
    "token": "TokenEvent",
    "tool_call": "ToolCallEvent",
    "usage": "UsageEvent",
    "verification": "VerificationEvent",
    "conversation": "ConversationKept",
    "error": "Problem",
}
"""The events of an answer, and the schemas of what they hold."""

JOB_EVENTS: Final[Mapping[str, str]] = dict.fromkeys(
    ("waiting", "running", "done", "failed", "cancelled"), "Job"
)
"""The events of a job."""

_ADDED: Final[Mapping[str, Mapping[str, Any]]] = {
    "Report": {"counts": {"type": "object", "additionalProperties": {"type": "integer"}}},
    "Verification": {"ok": {"type": "boolean"}},
}
"""Properties that `json_form` adds."""

_NONE: Final = "\0none"
_PROBLEM: Final[Mapping[str, str]] = {"$ref": "#/components/schemas/Problem"}


def documented(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """What FastAPI is told of the problems that an operation may be answered with, besides those of all."""
    replies: dict[int | str, dict[str, Any]] = {}
    for status in sorted({kind.status for kind in (*EVERYWHERE, *kinds)}):
        # What is particular to the operation is said first.
        same = [kind for kind in (*kinds, *EVERYWHERE) if kind.status == status]
        example = problems.problem_form(Problem(PREFIX + same[0].name, same[0].title, status, same[0].title))
        replies[status] = {
            "description": " Or: ".join(dict.fromkeys(kind.title for kind in same)),
            "content": {MEDIA_TYPE: {"schema": _PROBLEM, "example": example}},
        }
    return replies


def reply(
    example: Any, *kinds: Kind, status: int = 200, description: str = "As asked for.", events: str = ""
) -> dict[int | str, dict[str, Any]]:
    """The replies of an operation: an example of the good one, events where it may be a stream, problems."""
    content: dict[str, Any] = {"application/json": {"example": _held(example)}}
    if events:
        content[EVENT_STREAM] = {"schema": _event_schema(ANSWER_EVENTS), "example": events}
    return {status: {"description": description, "content": content}, **documented(*kinds)}


def events_reply(events: str, *kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """The replies of an operation that always answers with server-sent events."""
    content = {EVENT_STREAM: {"schema": _event_schema(JOB_EVENTS), "example": events}}
    return {200: {"description": "Server-sent events.", "content": content}, **documented(*kinds)}


def _event_schema(names: Mapping[str, str]) -> dict[str, Any]:
    """The schema of each event of a stream; `names` say for each event which schema its JSON has."""
    kinds = [{"$ref": f"#/components/schemas/{name}"} for name in dict.fromkeys(names.values())]
    return {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"type": "string", "enum": list(names)},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"anyOf": kinds},
            },
        },
        "description": "; ".join(f"`{event}`: {name}" for event, name in names.items()),
    }


def file_reply(*media_types: str, kinds: tuple[Kind, ...] = ()) -> dict[int | str, dict[str, Any]]:
    """The replies of an operation that answers with a file of one of these types."""
    content = {kind: {"schema": {"type": "string"}} for kind in media_types}
    return {200: {"description": "The file.", "content": content}, **documented(*kinds)}


def describe(api: FastAPI) -> None:
    """Let this application answer with the whole OpenAPI document. Its routes may come later."""

    def openapi() -> dict[str, Any]:
        if not api.openapi_schema:
            api.openapi_schema = completed(
                get_openapi(
                    title=TITLE,
                    version=VERSION,
                    summary="An open-book exam for any language model, over your own documents.",
                    description=DESCRIPTION,
                    routes=api.routes,
                    tags=[dict(tag) for tag in TAGS],
                    servers=[{"url": "/api"}],
                )
            )
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]


def _held(value: Any) -> Any:
    """The value with a word in the place of each None, which FastAPI would take out of an example."""
    if isinstance(value, dict):
        return {name: _held(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_held(item) for item in value]
    return _NONE if value is None else value


def _restored(value: Any) -> Any:
    """Undo `_held`."""
    if isinstance(value, dict):
        return {name: _restored(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_restored(item) for item in value]
    return None if value == _NONE else value


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what FastAPI cannot know."""
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    adapter: TypeAdapter[Any] = TypeAdapter(Problem | ConversationKept | Event)
    schemas.update(adapter.json_schema(ref_template="#/components/schemas/{model}")["$defs"])
    schemas["Problem"]["properties"]["instance"]["format"] = "uri-reference"
    for name, added in _ADDED.items():
        if name in schemas:
            schemas[name]["properties"].update(added)
    for name, schema in schemas.items():
        if name != "Problem" and not name.endswith("Body") and schema.get("properties"):
            schema["required"] = list(schema["properties"])  # json_form leaves no field out
            for one in schema["properties"].values():
                one.pop("default", None)
    document["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "The server's token, if it has one."}
    }
    document["security"] = [{}, {"token": []}]
    restored: dict[str, Any] = _restored(document)
    return restored

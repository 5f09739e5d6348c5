"""What the tools take and give, as types, and the JSON Schemas that clients and models read.

Schemas are derived from the types, so that they cannot say anything else than
what the tools do: the arguments from models that check them, the results from
the nouns whose JSON form they are.

Refused: schemas written by hand; and `null` as one more type of whatever may
be left out, which several assistants cannot read. Left out and null mean the
same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from openbook.answer.fencing import visible, whole_characters
from openbook.errors import UsageError
from openbook.index.records import DocumentRecord
from openbook.types import LibraryStatus

MOST_HITS: Final = 50
MOST_LISTED: Final = 200
MOST_READ: Final = 20_000
"""Characters that one call of `read` returns at most; about 5,000 tokens."""

LONGEST_QUESTION: Final = 10_000
UNSEEN: Final = "\ufffd"
"""What stands for a character that shows nothing: one for one, so that offsets stay true."""

LibraryName = Annotated[str, Field(description="Which library to use. Left out: the first.")]
Question = Annotated[str, Field(max_length=LONGEST_QUESTION, min_length=1)]
Where = Annotated[
    list[str],
    Field(
        max_length=50,
        description="Conditions that must all hold, each `field op value` with one of = != < <= > >= and ~ "
        "(contains): path=reports/*, page<10, modified>=2024-01-01, title~budget, language=en, or any "
        "metadata key.",
    ),
]


class Arguments(BaseModel):
    """The arguments of a call. Unknown ones are refused, so that a misspelt one is not lost in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    library: LibraryName = ""


class SearchArguments(Arguments):
    """See `search`."""

    question: Annotated[Question, Field(description="What to look for: a question or key words.")]
    k: Annotated[int, Field(ge=1, le=MOST_HITS, description="How many places to return.")] = 8
    where: Where = []


class AskArguments(Arguments):
    """See `ask`."""

    question: Annotated[Question, Field(description="One question, in whole words.")]
    where: Where = []
    model: Annotated[
        str | None,
        Field(
            max_length=200,
            description="The language model that writes, as provider:name; 'none' for verbatim quotes. "
            "Left out: what the server is set to. Others are refused unless the server was told of them.",
        ),
    ] = None


class ReadArguments(Arguments):
    """See `read`."""

    document: Annotated[
        str | int,
        Field(description="The document's id, or its path as search and list_documents give it."),
    ]
    start: Annotated[int | None, Field(ge=0, description="Begin at this character; `next` continues.")] = None
    end: Annotated[int | None, Field(ge=0, description="End before this character.")] = None
    page: Annotated[
        int | None, Field(ge=1, description="Read this page, slide or sheet instead, counted from 1.")
    ] = None
    heading: Annotated[str, Field(max_length=500, description="Read the section with this heading.")] = ""
    length: Annotated[
        int, Field(ge=100, le=MOST_READ, description="How many characters to return at most.")
    ] = 8_000


class ListArguments(Arguments):
    """See `list_documents`."""

    where: Where = []
    start: Annotated[int, Field(ge=0, description="How many to skip; `next` continues.")] = 0
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED, description="How many to return at most.")] = 50


class StatusArguments(Arguments):
    """See `status`."""

    library: Annotated[str, Field(description="Only this library. Left out: all.")] = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """A stretch of one document's text: `text` is `document.text[start:end]` of `characters` in all.

    `next` is where the rest begins, None at the end of what was asked for.
    `heading` and `page` are those that were asked for.
    """

    library: str
    document_id: int
    path: str
    title: str
    media_type: str
    start: int
    end: int
    characters: int
    text: str
    next: int | None = None
    heading: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class DocumentList:
    """Some of the `total` documents that fit, in the order of their paths.

    `next` is the `start` that continues, None at the end.
    """

    library: str
    documents: tuple[DocumentRecord, ...]
    total: int
    start: int = 0
    next: int | None = None


@dataclass(frozen=True, slots=True)
class LibraryState:
    """One library by its name. `more_problems` counts the problems that `status` leaves out."""

    name: str
    status: LibraryStatus
    more_problems: int = 0


@dataclass(frozen=True, slots=True)
class States:
    """The libraries of a server, the default one first."""

    libraries: tuple[LibraryState, ...]


A = TypeVar("A", bound=Arguments)


def parsed(kind: type[A], tool: str, given: Mapping[str, Any] | None) -> A:
    """The checked arguments of a call. Raises UsageError that says which is wrong, and what is expected."""
    arguments = {name: _whole(value) for name, value in (given or {}).items() if value is not None}
    try:
        return kind.model_validate(arguments)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)[0]
        name = ".".join(str(part) for part in found["loc"][:1])
        if found["type"] == "extra_forbidden":
            raise UsageError(
                f"{tool} has no argument {name!r}. Its arguments: {', '.join(kind.model_fields)}."
            ) from error
        if found["type"] == "missing":
            raise UsageError(f"{tool} needs the argument {name!r}.") from error
        shown = repr(found["input"])
        shown = shown if len(shown) <= 80 else f"{shown[:80]}…"
        raise UsageError(f"The argument {name!r} of {tool} is {shown}: {found['msg']}.") from error


def _whole(value: Any) -> Any:
    """The same with text that can be stored; one condition alone may come as text instead of a list."""
    if isinstance(value, str):
        return whole_characters(value)
    return [_whole(item) for item in value] if isinstance(value, list) else value


def input_schema(kind: type[Arguments], libraries: Sequence[str]) -> dict[str, Any]:
    """The JSON Schema of a tool's arguments; `libraries` are the names to choose from."""
    schema = cast("dict[str, Any]", _plain(kind.model_json_schema()))
    del schema["description"]
    schema["properties"]["library"]["enum"] = list(libraries)
    return schema


def output_schema(noun: type, **more: str) -> dict[str, Any]:
    """The JSON Schema of the JSON form of a noun, with further strings: name=description."""
    schema = TypeAdapter(noun).json_schema(mode="serialization")
    added = {name: {"type": "string", "description": text} for name, text in more.items()}
    schema["properties"] = {**added, **schema["properties"]}
    schema["required"] = list(schema["properties"])
    parts = schema.pop("$defs", {})
    return cast(
        "dict[str, Any]", _inlined(_untitled(schema), {name: _untitled(part) for name, part in parts.items()})
    )


def _plain(schema: Any) -> Any:
    """Without titles, and without null as a type or as a default."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _plain(value) for name, value in _untitled(schema).items()}
    if "anyOf" in found:
        kinds = [kind for kind in found["anyOf"] if kind != {"type": "null"}]
        found = {**{n: v for n, v in found.items() if n != "anyOf"}, **(kinds[0] if len(kinds) == 1 else {})}
        if len(kinds) > 1:
            found["anyOf"] = kinds
    if found.get("default", ...) in (None, "", []):
        del found["default"]
    return found


def _inlined(schema: Any, parts: Mapping[str, Any]) -> Any:
    """With every reference replaced by what it refers to: older versions of the protocol know no `$defs`."""
    if isinstance(schema, list):
        return [_inlined(item, parts) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].removeprefix("#/$defs/")], parts)
    return {name: _inlined(value, parts) for name, value in schema.items()}


def _untitled(schema: Any) -> Any:
    """Without the titles that repeat the names; a property may well be called `title`."""
    if isinstance(schema, list):
        return [_untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {key: _untitled(item) for key, item in value.items()}
        if name in ("properties", "$defs")
        else _untitled(value)
        for name, value in schema.items()
        if name != "title" or not isinstance(value, str)
    }


def shown_form(value: Any) -> Any:
    """A JSON form in which no character is unseen: each becomes U+FFFD, so that offsets stay true.

    Assistants pass structured results on to a model as they are, and what a
    person cannot see must not reach it.
    """
    if isinstance(value, str):
        return _seen(value)
    if isinstance(value, list):
        return [shown_form(item) for item in value]
    if isinstance(value, dict):
        return {_seen(name): shown_form(item) for name, item in value.items()}
    return value


def _seen(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    kept = visible(text)
    if len(kept) == len(text):
        return text
    return "".join(character if character in "\r\n" or visible(character) else UNSEEN for character in text)

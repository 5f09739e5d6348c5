"""What requests may say, and how it is checked before anything is done.

Every text has a longest length and holds no NUL (which SQLite's functions end
at), every number is one that JSON carries exactly, and a body may say nothing
that the API does not know: a misspelt option is an error, not a silent default.

Refused: pydantic's lenient reading of bodies ("5" for 5, 1 for true). A client
that sends the wrong type has a mistake that it would rather know about.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from fastapi import Depends, Path, Query, Request
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    model_validator,
)

from openbook.index.conversation_records import storable
from openbook.serve import path_numbers  # noqa: F401 (paths with `:number` need it)
from openbook.serve.desk import Desk
from openbook.serve.problems import LIBRARY_UNKNOWN, unknown

LARGEST: Final = 2**53 - 1
"""The largest number that every program reads as it was written in JSON (RFC 8259, section 6)."""

LONGEST_QUESTION: Final = 20_000
LONGEST_LINE: Final = 4_096
"""Characters of a path, a name or a condition."""

LONGEST_WORDS: Final = 500
"""Characters of a text in an address, where every character may take twelve bytes of 16,000."""

MOST_HITS: Final = 1_000

WITHOUT_NUL: Final = r"^[^\x00]*$"
_UNSEEN: Final = r"\s\x00-\x20\x7f-\xa0\u0085\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
VISIBLE: Final = rf"^[^\x00]*[^{_UNSEEN}][^\x00]*$"
"""At least one character that can be seen."""

CONDITION: Final = "openbook-condition"
MODEL: Final = "openbook-model"
"""Formats of texts in the OpenAPI document; their grammars are in the descriptions."""

Line: TypeAlias = Annotated[str, StringConstraints(max_length=LONGEST_LINE, pattern=WITHOUT_NUL)]
Words: TypeAlias = Annotated[str, StringConstraints(max_length=LONGEST_WORDS, pattern=WITHOUT_NUL)]
Question: TypeAlias = Annotated[
    str,
    StringConstraints(max_length=LONGEST_QUESTION, pattern=VISIBLE),
    Field(description="What is asked, in words.", examples=["What does a membership cost?"]),
]


def _of_one_line(text: str) -> str:
    if len(text) > LONGEST_LINE or "\0" in text or storable(text) != text:
        raise ValueError(f"expected at most {LONGEST_LINE:,} characters, no NUL and no half of a character")
    return text


Condition: TypeAlias = Annotated[
    str,
    AfterValidator(_of_one_line),
    Field(
        description="A condition `field op value`: `path=joins*`, `page<10`, `modified>=2024-01-01`, "
        "`language=en`, `title~report`, or any key of the metadata. Operators: = != < <= > >= ~ (contains).",
        json_schema_extra={"format": CONDITION},
        examples=["path=*.md"],
    ),
]
Conditions: TypeAlias = Annotated[
    list[Condition], Field(max_length=50, description="Conditions, all of which must hold.")
]
HowMany: TypeAlias = Annotated[
    int, Field(ge=1, le=MOST_HITS, description="How many hits are wanted; the library's setting if absent.")
]
PerDocument: TypeAlias = Annotated[
    int, Field(ge=1, le=MOST_HITS, description="Most hits of one document; hits are single chunks then.")
]
ModelName: TypeAlias = Annotated[
    str,
    AfterValidator(_of_one_line),
    Field(
        description='The language model that writes, "provider:name", or "none" for verbatim quotes; '
        "the library's setting if absent. Others may only be named where the server was told of them "
        "(`openbook serve --allow-model`).",
        json_schema_extra={"format": MODEL},
        examples=["none"],
    ),
]
Name: TypeAlias = Annotated[
    str,
    StringConstraints(max_length=200, pattern=VISIBLE),
    Field(description="The name of a conversation.", examples=["Membership"]),
]
Number: TypeAlias = Annotated[int, Field(ge=1, le=LARGEST)]
Offset: TypeAlias = Annotated[int, Field(ge=0, le=LARGEST)]
DocumentId: TypeAlias = Annotated[
    int, Path(ge=1, le=LARGEST, description="The number of a document.", examples=[1])
]
ConversationId: TypeAlias = Annotated[
    int, Path(ge=1, le=LARGEST, description="The number of a conversation.", examples=[1])
]
OpaqueId: TypeAlias = Annotated[
    str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$", examples=["4f9c2a7be01d5836"])
]


def _exactly(value: object) -> object:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


Flag: TypeAlias = Annotated[bool, Strict(), BeforeValidator(_exactly)]
"""A parameter of an address that is `true` or `false`, and not one of many other words for it."""


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Body(BaseModel):
    """The body of a request: exact types, and nothing that is not known."""

    model_config = ConfigDict(strict=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _whole_numbers(cls, values: Any) -> Any:
        """2.0 is an integer in JSON, as in JSON Schema; Python's reader makes it a float."""
        if not isinstance(values, dict):
            return values
        return {
            name: [_whole(item) for item in value] if isinstance(value, list) else _whole(value)
            for name, value in values.items()
        }


async def desk_of(
    request: Request,
    library: Annotated[
        str,
        Query(
            max_length=LONGEST_WORDS,
            pattern=WITHOUT_NUL,
            description="The name of a library (see `GET /api/libraries`); the first one if absent.",
        ),
    ] = "",
) -> Desk:
    """The desk that a request is for."""
    shelf: Any = request.app.state.shelf
    with unknown(LIBRARY_UNKNOWN):
        desk: Desk = shelf.desk(library)
    return desk


DeskParameter: TypeAlias = Annotated[Desk, Depends(desk_of)]
"""The desk of the library that the query parameter `library` names."""

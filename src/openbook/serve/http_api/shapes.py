"""What replies hold that is no noun of openbook already, and the bodies of requests.

Hits, answers, jobs and the other nouns are answered as they are; two of them
get a field more.

Refused: a model of its own for what a noun describes already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import ConfigDict, Field

from openbook.index.conversation_records import Conversation, Turn
from openbook.index.records import FileEntry
from openbook.serve.desk import RecentQuestion
from openbook.serve.http_api import parameters
from openbook.serve.http_api.parameters import Body
from openbook.serve.jobs import Job
from openbook.serve.removals import Removal
from openbook.types import Answer, LibraryStatus, Mark, Scalar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

VERSION: Final = version("openbook")
"""The version of openbook that is installed."""

Strategy: TypeAlias = Literal["auto", "stuff", "refine", "map-reduce", "map-rerank"]


def extended(kind: type[T], value: DataclassInstance, **more: object) -> T:
    """A value of a noun that has the fields of another one, and some more."""
    return kind(**{field.name: getattr(value, field.name) for field in fields(value)}, **more)


# Requests


class SearchBody(Body):
    """A search."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"question": "What does a membership cost?", "k": 5, "where": ["path=*.md"]}]
        }
    )
    question: parameters.Question
    k: parameters.HowMany | None = None
    where: parameters.Conditions = Field(default_factory=list)
    per_document: parameters.PerDocument | None = None
    explain: Annotated[bool, Field(description="Say of which parts each score is made.")] = False


class AskBody(Body):
    """A question that wants an answer."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"question": "What does a membership cost?", "stream": False}]}
    )
    question: parameters.Question
    stream: Annotated[
        bool, Field(description="Answer with server-sent events, as `Accept: text/event-stream` does.")
    ] = False
    conversation: Annotated[
        parameters.Number | None, Field(description="The number of the conversation to go on with.")
    ] = None
    keep: Annotated[bool, Field(description="Begin a conversation with this question, and keep it.")] = False
    model: parameters.ModelName | None = None
    strategy: Annotated[
        Strategy | None, Field(description="How the evidence is put to the model; the settings' if absent.")
    ] = None
    strict: Annotated[
        bool, Field(description="Leave out what the evidence does not say, or give no answer at all.")
    ] = False
    k: parameters.HowMany | None = None
    where: parameters.Conditions = Field(default_factory=list)
    agent: Annotated[bool, Field(description="Let the model search, read and compute in several steps.")] = (
        False
    )
    schema_: Annotated[
        dict[str, Any] | None,
        Field(alias="schema", description="A JSON Schema that the answer's `value` has to fit."),
    ] = None


class SyncBody(Body):
    """Folders to bring the library in line with."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"prune": False}]})
    folders: list[parameters.Line] = Field(
        default_factory=list,
        max_length=100,
        description="Absolute paths: sources of the library, or folders that the server was told it may "
        "read. All sources if there are none.",
    )
    prune: Annotated[
        bool, Field(description="Go on where more than half of the documents would be removed.")
    ] = False


class VerifyBody(Body):
    """How to compare the ledger with itself and with both indexes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"repair": True}]})
    repair: Annotated[bool, Field(description="Build an index that disagrees again.")] = True


class RemovalBody(Body):
    """Documents to remove."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"documents": [1]}]})
    documents: Annotated[list[parameters.Number], Field(min_length=1, max_length=10_000)]


class ConversationBody(Body):
    """What can be changed of a conversation."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Membership"}]})
    name: parameters.Name


# Replies


@dataclass(frozen=True, slots=True)
class Health:
    """The server is alive."""

    status: Literal["alive"]
    version: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Every library is open, and what its first question needs is loaded."""

    status: Literal["ready"]
    libraries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """A library that is served. `default` says that it is meant where a request names none."""

    name: str
    default: bool
    ready: bool
    documents: int
    chunks: int
    model: str
    language_model: str


@dataclass(frozen=True, slots=True)
class Libraries:
    """All libraries of a server."""

    libraries: tuple[LibraryEntry, ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """Numbers about a library, and what was asked of it since the server started.

    `recent` are the last questions, newest first, with the time that each took.
    `jobs` counts jobs by state. `uptime_seconds` is the server's.
    """

    library: str
    status: LibraryStatus
    recent: tuple[RecentQuestion, ...]
    jobs: Mapping[str, int]
    removals: int
    uptime_seconds: float


@dataclass(frozen=True, slots=True)
class ListedFile(FileEntry):
    """A file of the library and how its last run ended. `advice` says what to do where it has a problem."""

    advice: str


@dataclass(frozen=True, slots=True)
class FileList:
    """A page of the files of a library. `next_offset` is None on the last one."""

    files: tuple[ListedFile, ...]
    total: int
    offset: int
    next_offset: int | None
    outcomes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """A document, or a part of its text.

    `text` is `document.text[start:end]` of `characters`; `marks` are those that
    touch it, with offsets into the whole text.
    """

    id: int
    path: str
    title: str
    language: str
    media_type: str
    characters: int
    chunks: int
    added_at: str
    modified_at: str
    metadata: Mapping[str, Scalar]
    start: int
    end: int
    text: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class KeptAnswer(Answer):
    """An answer. `conversation` is the number of the conversation that it is kept in, None if it is not."""

    conversation: int | None = None


@dataclass(frozen=True, slots=True)
class Conversations:
    """Conversations without their turns, the one used last first."""

    conversations: tuple[Conversation, ...]


@dataclass(frozen=True, slots=True)
class ConversationTurns:
    """A conversation with its turns, oldest first."""

    id: int
    name: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class ConversationKept:
    """The conversation in which an answer is kept; no id where the library may only be read."""

    id: int | None
    name: str


@dataclass(frozen=True, slots=True)
class ConversationDeleted:
    """A conversation that is gone. `notes` say what could not be done yet."""

    id: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs since the server started, newest first."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class PendingRemovals:
    """Removals that can still be undone."""

    removals: tuple[Removal, ...]
    undo_seconds: float

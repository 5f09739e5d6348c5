"""Everything that can go wrong with a request, as RFC 9457 problem details (`application/problem+json`).

Each kind of problem has a stable `type` (`urn:openbook:problem:library-locked`)
that programs may rely on, and a `detail` for people: the error's own message,
which says what happened, what was expected and what to do. An unexpected
exception is a bug; its text goes to the log and never into a reply.

Refused: problem types that are addresses of web pages (nothing here refers to
another host), and the value that failed to validate, which may be as long as
the whole request.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openbook import errors
from openbook.errors import OpenbookError, UsageError

MEDIA_TYPE: Final = "application/problem+json"
PREFIX: Final = "urn:openbook:problem:"
RETRY_SECONDS: Final = 5
"""What a client is told to wait (header Retry-After) where trying again may help."""

_LOG: Final = logging.getLogger("openbook.serve")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: the end of its `type`, its status, and a title that is the same for all of it."""

    name: str
    status: int
    title: str
    retry: bool = False


@dataclass(frozen=True, slots=True)
class FieldError:
    """A part of a request that was not as expected. `location` names it: body/where/0."""

    location: str
    message: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Problem details (RFC 9457). `instance` is the path of the request, `errors` name fields that failed."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    errors: tuple[FieldError, ...] = ()


NOT_FOUND: Final = Kind("not-found", 404, "There is nothing at this address.")
INVALID: Final = Kind("invalid-request", 422, "The request is not as expected.")
UNEXPECTED: Final = Kind("unexpected", 500, "Something went wrong inside the server.")
LIBRARY_UNKNOWN: Final = Kind("library-unknown", 404, "This server has no library of this name.")
DOCUMENT_UNKNOWN: Final = Kind("document-unknown", 404, "The library has no such document.")
FILE_UNAVAILABLE: Final = Kind("file-unavailable", 404, "The original file cannot be had.")
FILE_CHANGED: Final = Kind("file-changed", 409, "The file has changed since it was indexed.")
JOB_UNKNOWN: Final = Kind("job-unknown", 404, "There is no such job.")
REMOVAL_UNKNOWN: Final = Kind("removal-unknown", 404, "There is nothing to undo.")
CONVERSATION_UNKNOWN: Final = Kind("conversation-unknown", 404, "The library has no such conversation.")
FOLDER_REFUSED: Final = Kind("folder-refused", 403, "The server may not read this folder.")
NOTHING_TO_SYNC: Final = Kind("nothing-to-sync", 409, "The library has no folder yet.")
NO_LANGUAGE_MODEL: Final = Kind("no-language-model", 409, "This needs a language model.")
MODEL_REFUSED: Final = Kind("model-refused", 403, "The server may not ask this language model.")
NOT_READY: Final = Kind("not-ready", 503, "The server is still getting ready.", retry=True)
TOO_LARGE: Final = Kind("too-large", 413, "What was sent is too large.")
BODY_BROKEN: Final = Kind("body-broken", 400, "The body of the request cannot be read.")

KINDS: Final[Mapping[type[OpenbookError], Kind]] = {
    errors.UsageError: INVALID,
    errors.MissingExtra: Kind("extra-missing", 501, "This needs an extra that is not installed."),
    errors.ReadError: Kind("file-unreadable", 422, "The file cannot be read."),
    errors.UnsupportedFile: Kind("file-unsupported", 415, "Files of this kind are not read."),
    errors.FileChanged: FILE_CHANGED,
    errors.LimitExceeded: Kind("limit-exceeded", 413, "The file goes over a limit."),
    errors.FileTooLarge: TOO_LARGE,
    errors.ModelError: Kind("embedding-model", 503, "The embedding model does not work."),
    errors.ModelNotInstalled: Kind("embedding-model-missing", 503, "The embedding model is not installed."),
    errors.LanguageModelError: Kind("language-model", 502, "The language model did not do its part."),
    errors.ModelUnreachable: Kind("model-unreachable", 502, "The language model cannot be reached."),
    errors.KeyRefused: Kind("model-key-refused", 502, "The language model refused its key."),
    errors.ModelUnknown: Kind("model-unknown", 404, "There is no language model of this name."),
    errors.ModelBusy: Kind("model-busy", 503, "The language model is busy.", retry=True),
    errors.PromptTooLong: Kind("prompt-too-long", 413, "The question is too long for the language model."),
    errors.ReplyBroken: Kind("model-reply-broken", 502, "The language model's reply was broken."),
    errors.LibraryError: Kind("library", 503, "The library cannot be used."),
    errors.LibraryNotFound: Kind("library-missing", 503, "The library is not there."),
    errors.LibraryLocked: Kind("library-locked", 423, "Another process is writing.", retry=True),
    errors.LibraryTooNew: Kind("library-too-new", 503, "The library was written by a newer openbook."),
    errors.LibraryDamaged: Kind("library-damaged", 500, "The library is damaged."),
    errors.GenerationMismatch: Kind("generation-mismatch", 409, "The vectors come from another model."),
    errors.PruneRefused: Kind("prune-refused", 409, "Most of the documents would be removed."),
    errors.StorageFull: Kind("storage-full", 507, "The disk is full."),
}
"""Every error of openbook by its class; a class that is not named here is what its parent is."""


MODEL_PROBLEMS: Final = tuple(
    KINDS[kind] for kind in KINDS if issubclass(kind, errors.LanguageModelError | errors.MissingExtra)
)
"""What may go wrong with a language model."""


class ProblemError(Exception):
    """A problem that a surface has found by itself, to be answered as it is."""

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


@contextmanager
def unknown(kind: Kind) -> Iterator[None]:
    """Let a UsageError of a look-up, which says that there is no such thing, be this kind of problem."""
    try:
        yield
    except UsageError as error:
        raise ProblemError(kind, str(error)) from error


def kind_of(error: BaseException) -> Kind:
    """The kind of problem that an exception is; `UNEXPECTED` for any that was not raised on purpose."""
    if isinstance(error, ProblemError):
        return error.kind
    return next((KINDS[parent] for parent in type(error).__mro__ if parent in KINDS), UNEXPECTED)


def problem_of(error: BaseException, instance: str = "") -> Problem:
    """What a client is told of an exception. One that was not raised on purpose keeps its text to itself."""
    kind = kind_of(error)
    detail = str(error)
    if kind is UNEXPECTED:
        detail = "The server's log says more. Trying again may help; if it does not, please report it."
    return Problem(PREFIX + kind.name, kind.title, kind.status, detail, instance)


def problem_form(problem: Problem) -> dict[str, Any]:
    """The JSON object of a problem; members that say nothing are left out."""
    form: dict[str, Any] = {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.instance:
        form["instance"] = problem.instance
    if problem.errors:
        form["errors"] = [{"location": one.location, "message": one.message} for one in problem.errors]
    return form


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """A problem as a reply."""
    body = json.dumps(problem_form(problem)).encode("ascii")
    return Response(body, problem.status, dict(headers or {}), MEDIA_TYPE)


def told(error: BaseException, instance: str = "") -> dict[str, Any]:
    """The JSON object that a client is told of an exception; what was not raised on purpose is logged."""
    if kind_of(error) is UNEXPECTED:
        _LOG.error("A request to %s failed.", instance, exc_info=error)
    return problem_form(problem_of(error, instance))


def answered(error: BaseException, instance: str = "") -> Response:
    """The reply to a request that ended with this exception; what was not raised on purpose is logged."""
    headers = {"Retry-After": str(RETRY_SECONDS)} if kind_of(error).retry else {}
    form = told(error, instance)
    return Response(json.dumps(form).encode("ascii"), form["status"], headers, MEDIA_TYPE)


def instance_of(request: Request) -> str:
    """The path of a request as a URI reference, without its query, which may hold a question."""
    return quote(request.scope["path"].encode("utf-8", "surrogateescape"), safe="/:@!$&'()*+,;=~-._")


def install(app: FastAPI) -> None:
    """Let every error of this application be answered as problem details."""

    async def raised(request: Request, error: Exception) -> Response:
        return answered(error, instance_of(request))

    async def invalid(request: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else ()
        if any(one["type"] == "json_invalid" for one in found):
            return answered(ProblemError(BODY_BROKEN, "The body is not JSON."), instance_of(request))
        return problem_response(invalid_problem(found, instance_of(request)))

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_allowed(request))
        return problem_response(http_problem(status, instance_of(request)), headers)

    app.add_exception_handler(OpenbookError, raised)
    app.add_exception_handler(ProblemError, raised)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, refused)
    app.add_middleware(Unexpected)


def invalid_problem(found: Sequence[Mapping[str, Any]], instance: str) -> Problem:
    """What did not validate (the errors of pydantic), without the values."""
    fields = tuple(FieldError("/".join(map(str, one["loc"])), str(one["msg"])) for one in found)
    detail = "; ".join(f"{one.location}: {one.message}" for one in fields[:3])
    return Problem(PREFIX + INVALID.name, INVALID.title, INVALID.status, detail, instance, fields)


def http_problem(status: int, instance: str = "") -> Problem:
    """A problem that has no more to say than its HTTP status does."""
    kinds = {
        404: (NOT_FOUND, "The paths are listed at /api/openapi.json."),
        400: (BODY_BROKEN, "Its JSON, or its numbers, cannot be read."),
        413: (TOO_LARGE, "Send less at a time."),
    }
    if status in kinds:
        kind, detail = kinds[status]
        return Problem(PREFIX + kind.name, kind.title, status, detail, instance)
    known = HTTPStatus(status)
    name = known.phrase.lower().replace(" ", "-").replace("'", "")
    return Problem(PREFIX + name, f"{known.phrase}.", status, known.description or known.phrase, instance)


class Unexpected:
    """ASGI middleware: an exception that nobody expected becomes a problem without its text, and a log entry.

    Starlette's own would answer as well, but raises it again for the server to log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noticing(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noticing)
        except ClientDisconnect:
            return
        except Exception as error:
            if started:
                raise
            await answered(error, instance_of(Request(scope)))(scope, receive, send)


def _allowed(request: Request) -> list[str]:
    """All methods that the path of a request knows; Starlette names only those of the first route."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    methods: set[str] = set()
    for context in iter_route_contexts(request.app.router.routes):
        if isinstance(context.original_route, Route) and context.path_regex.match(path):
            methods |= context.methods or set()
    return sorted(methods)

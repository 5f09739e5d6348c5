"""What goes wrong, as OpenAI's clients expect to be told: a status, and an error with type, param and code.

The status decides what the official client does: it raises another exception
for each, and tries 408, 409, 429 and everything from 500 on again by itself.
So what will fail again the same way is a 400, whoever is at fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException

from openbook.errors import (
    LanguageModelError,
    LibraryLocked,
    LimitExceeded,
    MissingExtra,
    ModelBusy,
    ModelUnreachable,
    OpenbookError,
    PromptTooLong,
    PruneRefused,
    UsageError,
)
from openbook.serve.http_api.replies import Json

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

STATUSES: Final[tuple[tuple[type[OpenbookError], int, str | None], ...]] = (
    (MissingExtra, 400, "not_installed"),
    (UsageError, 400, None),
    (PromptTooLong, 400, "context_length_exceeded"),
    (ModelBusy, 429, "rate_limit_exceeded"),
    (ModelUnreachable, 503, "model_unreachable"),
    (LanguageModelError, 502, "language_model_error"),
    (LibraryLocked, 503, "library_locked"),
    (LimitExceeded, 413, None),
    (PruneRefused, 409, None),
    (OpenbookError, 500, None),
)
"""Status and code of each kind of error, the more special before the more general.

That a key of the server's own was refused is no 401: the client's was right.
"""

UNEXPECTED: Final = "The server made a mistake in answering this. Its log says more."


class Refused(UsageError):
    """A request that this API cannot fulfil. `param` names the field that is at fault."""

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400
    ) -> None:
        super().__init__(message)
        self.param = param
        self.code = code
        self.status = status


def short(value: object) -> str:
    """A value as an error shows it: never pages of it."""
    try:
        text = repr(value)
    except RecursionError:
        return "nested too deeply"
    return text if len(text) <= 80 else f"{text[:79]}…"


def error_form(error: Exception) -> tuple[int, dict[str, object]]:
    """Status and body for an error. What was not raised on purpose is not told to the client."""
    if isinstance(error, Refused):
        return error.status, _form(error.status, str(error), error.param, error.code)
    for kind, status, code in STATUSES:
        if isinstance(error, kind):
            return status, _form(status, str(error), None, code)
    return 500, _form(500, UNEXPECTED, None, None)


async def on_error(request: Request, error: Exception) -> Response:
    """The response to an error, for every route of this API."""
    del request
    if isinstance(error, HTTPException):
        body = _form(error.status_code, str(error.detail), None, None)
        return Json(body, error.status_code, headers=error.headers)
    status, body = error_form(error)
    return Json(body, status)


def _form(status: int, message: str, param: str | None, code: str | None) -> dict[str, object]:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    if status == 429:
        kind = "rate_limit_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}

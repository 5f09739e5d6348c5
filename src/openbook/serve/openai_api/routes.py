"""The addresses under `/v1`, as an application of their own, so that their errors have OpenAI's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from openbook.errors import OpenbookError
from openbook.serve.http_api.replies import Json, ReaderGone, unless_gone
from openbook.serve.openai_api.asking import Asking, desk_of
from openbook.serve.openai_api.chat import ChatCompletion
from openbook.serve.openai_api.embeddings import embedded
from openbook.serve.openai_api.errors import Refused, on_error
from openbook.serve.openai_api.event_stream import streamed
from openbook.serve.openai_api.models import Models
from openbook.serve.openai_api.requests import body_of, chat_question, response_question, texts_to_embed
from openbook.serve.openai_api.responses import ModelResponse

if TYPE_CHECKING:
    from starlette.requests import Request

    from openbook.serve.desk import Desk, Shelf
    from openbook.serve.openai_api.requests import Question
    from openbook.serve.openai_api.shown_text import LinkTo
    from openbook.types import Evidence


def application(shelf: Shelf) -> Starlette:
    """The application that is mounted under `/v1`."""
    endpoints = Endpoints(shelf)
    return Starlette(
        routes=[
            Route("/models", endpoints.models, methods=["GET"]),
            Route("/models/{model:path}", endpoints.model, methods=["GET"]),
            Route("/chat/completions", endpoints.chat, methods=["POST"]),
            Route("/responses", endpoints.responses, methods=["POST"]),
            Route("/embeddings", endpoints.embeddings, methods=["POST"]),
            Route("/{path:path}", endpoints.unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ],
        exception_handlers={
            ReaderGone: on_reader_gone,
            OpenbookError: on_error,
            404: on_error,
            405: on_error,
            Exception: on_error,
        },
    )


class Endpoints:
    """One method for each address."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._models = Models(shelf)

    async def models(self, request: Request) -> Response:
        """GET /v1/models."""
        del request
        return Json(await self._models.all())

    async def model(self, request: Request) -> Response:
        """GET /v1/models/{model}."""
        return Json(await self._models.one(request.path_params["model"]))

    async def chat(self, request: Request) -> Response:
        """POST /v1/chat/completions."""
        question = chat_question(await body_of(request))
        asking = self._asking(request, question)
        shape = ChatCompletion(question.model, include_usage=question.include_usage)
        if question.stream:
            return await streamed(request, asking.parts(), shape.chunks)
        return Json(shape.whole(await unless_gone(request, asking.whole())))

    async def responses(self, request: Request) -> Response:
        """POST /v1/responses."""
        body = await body_of(request)
        question = response_question(body)
        asking = self._asking(request, question)
        shape = ModelResponse(question.model, body.get("instructions"), question.most_tokens)
        if question.stream:
            return await streamed(request, asking.parts(), shape.events)
        return Json(shape.whole(await unless_gone(request, asking.whole())))

    async def embeddings(self, request: Request) -> Response:
        """POST /v1/embeddings."""
        wanted = texts_to_embed(await body_of(request))
        body = await embedded(request, self._shelf, wanted)
        return Response(body, media_type="application/json")

    async def unknown(self, request: Request) -> NoReturn:
        """Everything else of OpenAI's API, and what was never part of it."""
        raise Refused(
            f"There is no {request.method} {request.url.path} here. There is: /v1/models, "
            "/v1/chat/completions, /v1/responses and /v1/embeddings.",
            code="unknown_url",
            status=404,
        )

    def _asking(self, request: Request, question: Question) -> Asking:
        desk = desk_of(self._shelf, question.model)
        return Asking(desk, question, links(request, desk))


def links(request: Request, desk: Desk) -> LinkTo:
    """Addresses of this server: a `file:` link means nothing elsewhere, and tells of the server's folders."""
    root = str(request.base_url)

    def link_to(evidence: Evidence) -> str:
        place = {"library": desk.name, "start": evidence.start, "end": evidence.end}
        return f"{root}api/documents/{evidence.document_id}?{urlencode(place)}"

    return link_to


async def on_reader_gone(request: Request, error: Exception) -> Response:
    """Nobody reads this; the log shows the status that web servers use for it."""
    del request, error
    return Response(status_code=499)

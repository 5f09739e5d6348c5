"""Conversations that are kept in a library: listed, read, renamed, deleted, exported."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from openbook.conversation_export import Form
from openbook.conversing import Chat
from openbook.index.conversation_records import Conversation
from openbook.serve.desk import Desk
from openbook.serve.http_api import samples
from openbook.serve.http_api.description import file_reply, reply
from openbook.serve.http_api.parameters import ConversationId, DeskParameter
from openbook.serve.http_api.replies import Json
from openbook.serve.http_api.shapes import (
    ConversationBody,
    ConversationDeleted,
    Conversations,
    ConversationTurns,
)
from openbook.serve.problems import CONVERSATION_UNKNOWN, unknown

router = APIRouter(tags=["conversations"])

_TYPES: Final[dict[Form, tuple[str, str]]] = {
    "markdown": ("text/markdown; charset=utf-8", "md"),
    "json": ("application/json", "json"),
    "csv": ("text/csv; charset=utf-8", "csv"),
}


@router.get(
    "/conversations",
    response_model=Conversations,
    responses=reply(samples.CONVERSATIONS),
    summary="All conversations",
)
async def list_conversations(desk: DeskParameter) -> Response:
    """The conversations without their turns, the one used last first."""
    return Json(Conversations(tuple(await desk.background.run(desk.library.conversations))))


@router.get(
    "/conversations/{conversation_id:number}",
    response_model=ConversationTurns,
    responses=reply(samples.CONVERSATION_TURNS, CONVERSATION_UNKNOWN),
    summary="One conversation",
)
async def read_conversation(desk: DeskParameter, conversation_id: ConversationId) -> Response:
    """A conversation with its turns, oldest first, as far as the documents still say what was quoted."""
    return Json(await desk.background.run(_turns, desk, conversation_id))


@router.patch(
    "/conversations/{conversation_id:number}",
    response_model=Conversation,
    responses=reply(samples.CONVERSATION, CONVERSATION_UNKNOWN),
    summary="Rename a conversation",
)
async def rename_conversation(
    desk: DeskParameter, conversation_id: ConversationId, body: ConversationBody
) -> Response:
    """Give a conversation another name."""
    return Json(await desk.background.run(_renamed, desk, conversation_id, body.name))


@router.delete(
    "/conversations/{conversation_id:number}",
    response_model=ConversationDeleted,
    responses=reply(samples.CONVERSATION_DELETED, CONVERSATION_UNKNOWN),
    summary="Delete a conversation",
)
async def delete_conversation(desk: DeskParameter, conversation_id: ConversationId) -> Response:
    """Delete a conversation, so that no byte of it stays in the library. This cannot be undone."""
    return Json(await desk.background.run(_deleted, desk, conversation_id))


@router.get(
    "/conversations/{conversation_id:number}/export",
    response_class=Response,
    responses=file_reply("text/markdown", "application/json", "text/csv", kinds=(CONVERSATION_UNKNOWN,)),
    summary="Export a conversation",
)
async def export_conversation(
    desk: DeskParameter,
    conversation_id: ConversationId,
    form: Annotated[Form, Query(description="The form of the file.")] = "markdown",
) -> Response:
    """A conversation as a file for people (Markdown) or programs (JSON, CSV)."""
    text = await desk.background.run(lambda: _chat(desk, conversation_id).export(form))
    media_type, suffix = _TYPES[form]
    return Response(
        text.encode("utf-8", "replace"),
        media_type=media_type,
        headers={
            "Content-Disposition": f'attachment; filename="conversation-{conversation_id}.{suffix}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def _chat(desk: Desk, conversation_id: int) -> Chat:
    with unknown(CONVERSATION_UNKNOWN):
        return desk.chat(conversation_id)


def _turns(desk: Desk, conversation_id: int) -> ConversationTurns:
    chat = _chat(desk, conversation_id)
    return ConversationTurns(conversation_id, chat.name, chat.turns)


def _renamed(desk: Desk, conversation_id: int, name: str) -> Conversation:
    _chat(desk, conversation_id).rename(name)
    return next(one for one in desk.library.conversations() if one.id == conversation_id)


def _deleted(desk: Desk, conversation_id: int) -> ConversationDeleted:
    return ConversationDeleted(conversation_id, _chat(desk, conversation_id).delete())

"""A reply in the shape of a chat completion, whole or in chunks."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openbook.serve.openai_api.asking import Reply
from openbook.serve.openai_api.event_stream import Sent, event

if TYPE_CHECKING:
    from openbook.serve.openai_api.shown_text import UrlCitation
    from openbook.serve.openai_api.usage import Usage


@dataclass(frozen=True, slots=True)
class ChatCompletion:
    """What all chunks of one completion have in common."""

    model: str
    include_usage: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, reply: Reply) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        message = {
            "role": "assistant",
            "content": reply.shown.text,
            "refusal": None,
            "annotations": [_annotation(citation) for citation in reply.shown.citations],
        }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(reply)}
        return {
            **self._frame("chat.completion"),
            "choices": [choice],
            "usage": _usage(reply.usage),
            "openbook": reply.extension,
        }

    async def chunks(self, parts: AsyncIterator[str | Reply]) -> AsyncIterator[Sent]:
        """The events of an answer that is streamed. Annotations come with the last delta."""
        yield self._chunk({"role": "assistant", "content": ""})
        async for part in parts:
            if isinstance(part, str):
                yield self._chunk({"content": part})
                continue
            annotations = [_annotation(citation) for citation in part.shown.citations]
            yield self._chunk({"annotations": annotations}, finish=_finish(part), openbook=part.extension)
            if self.include_usage:
                frame = self._frame("chat.completion.chunk")
                yield event({**frame, "choices": [], "usage": _usage(part.usage)})
        yield b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], *, finish: str | None = None, **more: Any) -> Sent:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if self.include_usage else {}
        return event({**self._frame("chat.completion.chunk"), "choices": [choice], **usage, **more})

    def _frame(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def _finish(reply: Reply) -> str:
    """OpenAI knows one word for an answer that stops before its end, whatever cut it off."""
    return "stop" if reply.answer.complete else "length"


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
    }


def _annotation(citation: UrlCitation) -> dict[str, Any]:
    place = {
        "start_index": citation.start,
        "end_index": citation.end,
        "url": citation.url,
        "title": citation.title,
    }
    return {"type": "url_citation", "url_citation": place}

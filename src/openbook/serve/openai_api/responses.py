"""A reply in the shape of OpenAI's Responses API, whole or as its events.

Nothing is stored: a response cannot be fetched again, nor continued by its id.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from openbook.serve.openai_api.asking import Reply
from openbook.serve.openai_api.event_stream import Sent, event

if TYPE_CHECKING:
    from openbook.serve.openai_api.shown_text import UrlCitation
    from openbook.serve.openai_api.usage import Usage

_PLACE: Final = {"output_index": 0, "content_index": 0}
"""Where the one text stands: in the first part of the first item."""


@dataclass(slots=True)
class ModelResponse:
    """One response of the Responses API; `model` is the library that answers."""

    model: str
    instructions: str | None = None
    most_tokens: int | None = None
    id: str = field(default_factory=lambda: f"resp_{secrets.token_hex(16)}")
    message_id: str = field(default_factory=lambda: f"msg_{secrets.token_hex(16)}")
    created: int = field(default_factory=lambda: int(time.time()))
    _sent: int = 0

    def whole(self, reply: Reply) -> dict[str, Any]:
        """The body of a response that is not streamed, and of the event that ends one."""
        complete = reply.answer.complete
        return {
            **self._frame("completed" if complete else "incomplete"),
            "completed_at": int(time.time()),
            "incomplete_details": None if complete else {"reason": "max_output_tokens"},
            "output": [self._message(reply)],
            "usage": _usage(reply.usage),
            "openbook": reply.extension,
        }

    async def events(self, parts: AsyncIterator[str | Reply]) -> AsyncIterator[Sent]:
        """The events of a response that is streamed, in the order of the Responses API."""
        begun = self._frame("in_progress")
        yield self._event("response.created", response=begun)
        yield self._event("response.in_progress", response=begun)
        item: dict[str, Any] = {"id": self.message_id, "type": "message", "role": "assistant"}
        item |= {"status": "in_progress", "content": []}
        yield self._event("response.output_item.added", output_index=0, item=item)
        place = {"item_id": self.message_id, **_PLACE}
        yield self._event("response.content_part.added", **place, part=_part("", []))
        async for part in parts:
            if isinstance(part, str):
                yield self._event("response.output_text.delta", **place, delta=part, logprobs=[])
                continue
            for sent in self._ending(part, place):
                yield sent

    def _ending(self, reply: Reply, place: dict[str, Any]) -> list[Sent]:
        text, citations = reply.shown.text, reply.shown.citations
        annotations = [_annotation(citation) for citation in citations]
        sent = [
            self._event(
                "response.output_text.annotation.added",
                **place,
                annotation_index=number,
                annotation=annotation,
            )
            for number, annotation in enumerate(annotations)
        ]
        response = self.whole(reply)
        return [
            *sent,
            self._event("response.output_text.done", **place, text=text, logprobs=[]),
            self._event("response.content_part.done", **place, part=_part(text, annotations)),
            self._event("response.output_item.done", output_index=0, item=response["output"][0]),
            self._event(f"response.{response['status']}", response=response),
        ]

    def _event(self, kind: str, **content: Any) -> Sent:
        number, self._sent = self._sent, self._sent + 1
        return event({"type": kind, "sequence_number": number, **content}, kind)

    def _message(self, reply: Reply) -> dict[str, Any]:
        part = _part(reply.shown.text, [_annotation(citation) for citation in reply.shown.citations])
        status = "completed" if reply.answer.complete else "incomplete"
        return {
            "id": self.message_id,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": [part],
        }

    def _frame(self, status: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "model": self.model,
            "instructions": self.instructions,
            "max_output_tokens": self.most_tokens,
            "error": None,
            "incomplete_details": None,
            "metadata": {},
            "output": [],
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "store": False,
            "temperature": None,
            "top_p": None,
            "tool_choice": "none",
            "tools": [],
            "text": {"format": {"type": "text"}},
            "truncation": "disabled",
            "usage": None,
        }


def _part(text: str, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}


def _annotation(citation: UrlCitation) -> dict[str, Any]:
    return {
        "type": "url_citation",
        "start_index": citation.start,
        "end_index": citation.end,
        "url": citation.url,
        "title": citation.title,
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.total,
    }

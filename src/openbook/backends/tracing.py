"""OpenTelemetry spans of an answer, by the GenAI semantic conventions (extra `telemetry`).

    invoke_workflow openbook.ask        the whole answer, with all its tokens
      retrieval openbook                what was found
      chat gpt-5-mini                   each request to a model
      execute_tool search               each step of an agent
      verification                      checking what was written

The spans are made from the stream of events, so whatever an answer does is in
both. They go where the user's own process sends its spans, and nowhere if it
has set up none; then nothing is imported here and the events pass untouched.
Questions, documents, prompts and answers are left out unless
OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT asks for them, which is the
conventions' own switch; so are messages of errors, which may quote them.

Refused: an exporter or a setting of our own (whoever wants spans has set up
where they go), metrics and log events, and instrumenting pydantic-ai itself
(it would put every prompt into its spans by default, and knows no retrieval).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from openbook.events import (
    ErrorEvent,
    Event,
    PromptEvent,
    RetrievalEvent,
    TokenEvent,
    ToolCallEvent,
    UsageEvent,
    VerificationEvent,
)

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from openbook.types import Answer, Message

CAPTURE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_ON: Final = ("true", "span_only", "span_and_event")
_PROVIDERS: Final = {"google": "gcp.gemini", "mistral": "mistral_ai"}
"""Names of providers where the conventions have another one than pydantic-ai."""
_SECOND: Final = 1_000_000_000
_MILLISECOND: Final = 1_000_000
"""OpenTelemetry counts in nanoseconds."""


def traced(events: Iterator[Event], *, question: str, model: str = "") -> Iterator[Event]:
    """Pass on the events of one answer and make spans of them, if anybody in this process records any.

    `model` is "provider:name", or empty where answers quote. The span of the
    answer is a child of the one that is current when the first event is asked for.
    """
    if "opentelemetry.trace" not in sys.modules:  # who records spans has imported it
        yield from events
        return
    from opentelemetry import trace

    tracer = trace.get_tracer("openbook", _version())
    root = tracer.start_span(
        "invoke_workflow openbook.ask",
        attributes={"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "openbook.ask"},
    )
    if not root.is_recording():
        yield from events
        return
    yield from _recorded(events, _Recorder(tracer, root, question=question, model=model))


def _recorded(events: Iterator[Event], recorder: _Recorder) -> Iterator[Event]:
    """Pass events on and show them to `recorder`; what is thrown in here (Ctrl-C) is thrown in there."""
    try:
        event = next(events, None)
        while event is not None:
            recorder.see(event)
            try:
                yield event
            except KeyboardInterrupt as stop:
                if not isinstance(events, Generator):
                    raise
                event = _after(events, stop)
            else:
                event = next(events, None)
    except Exception as error:
        recorder.failed(type(error).__name__, str(error))
        raise
    finally:
        if isinstance(events, Generator):
            events.close()
        recorder.end()


def _after(events: Generator[Event, None, None], stop: KeyboardInterrupt) -> Event | None:
    """The event that follows on an interruption; None if there is none."""
    try:
        return events.throw(stop)
    except StopIteration:
        return None


class _Recorder:
    """The spans of one answer while it comes about."""

    def __init__(self, tracer: Tracer, root: Span, *, question: str, model: str) -> None:
        from opentelemetry.trace import set_span_in_context

        self._tracer, self._root = tracer, root
        self._inside = set_span_in_context(root)
        self._capturing = os.environ.get(CAPTURE, "").strip().lower() in _ON
        provider, _, name = model.partition(":")
        self._model = name or provider
        self._about_model: dict[str, str] = {}
        if model:
            self._about_model["gen_ai.request.model"] = self._model
            if name:
                self._about_model["gen_ai.provider.name"] = _PROVIDERS.get(provider, provider)
        root.set_attributes(self._about_model)
        if self._capturing:
            root.set_attribute("gen_ai.input.messages", _messages_text([_message("user", question)]))
        self._chat: Span | None = None
        self._chat_began = 0
        self._text = ""
        self._chats_since_usage = 0
        self._usage: Mapping[str, int] = {}
        self._last = time.time_ns()

    def see(self, event: Event) -> None:
        """Begin and end the spans that an event tells of."""
        match event:
            case RetrievalEvent():
                self._retrieval(event)
            case PromptEvent():
                self._begin_chat(event)
            case TokenEvent():
                self._heard(event.text)
            case ToolCallEvent():
                self._tool(event)
            case UsageEvent():
                self._used(event.usage)
            case VerificationEvent():
                self._verified(event.answer)
            case ErrorEvent():
                self._error(event)
        self._last = time.time_ns()

    def failed(self, kind: str, message: str) -> None:
        """Mark what is under way as failed: the request, if one is, and the answer."""
        from opentelemetry.trace import StatusCode

        for span in (self._chat, self._root):
            if span is not None:
                span.set_attribute("error.type", kind)
                span.set_status(StatusCode.ERROR, message if self._capturing else None)

    def end(self) -> None:
        """End all spans, also those of an answer that nobody waited for."""
        self._end_chat()
        self._root.end()

    def _retrieval(self, event: RetrievalEvent) -> None:
        now = time.time_ns()
        begin = now - int(event.milliseconds * _MILLISECOND)
        span = self._child("retrieval openbook", "retrieval", begin=begin)
        span.set_attributes(
            {
                "gen_ai.data_source.id": "openbook",
                "openbook.retrieval.evidence": len(event.evidence),
                "openbook.retrieval.confidence": event.confidence,
            }
        )
        if self._capturing:
            documents = [{"id": piece.path, "score": piece.score} for piece in event.evidence]
            span.set_attributes(
                {
                    "gen_ai.retrieval.query.text": event.meant,
                    "gen_ai.retrieval.documents": json.dumps(documents),
                }
            )
        span.end(now)

    def _begin_chat(self, event: PromptEvent) -> None:
        from opentelemetry.trace import SpanKind

        self._end_chat()  # the events tell of one request at a time, also where several are under way
        self._chat_began = time.time_ns()
        self._chat = self._child(
            f"chat {self._model}".strip(), "chat", begin=self._chat_began, kind=SpanKind.CLIENT
        )
        self._chat.set_attributes({**self._about_model, "openbook.prompt.tokens": event.tokens})
        if self._capturing:
            messages = [_message_of(message) for message in event.messages]
            self._chat.set_attribute("gen_ai.input.messages", _messages_text(messages))
        self._text = ""
        self._chats_since_usage += 1

    def _heard(self, text: str) -> None:
        if self._chat is not None and not self._text:
            seconds = (time.time_ns() - self._chat_began) / _SECOND
            self._chat.set_attribute("gen_ai.response.time_to_first_chunk", seconds)
        self._text += text

    def _end_chat(self) -> None:
        if self._chat is None:
            return
        if self._capturing and self._text:
            messages = [_message("assistant", self._text)]
            self._chat.set_attribute("gen_ai.output.messages", _messages_text(messages))
        self._chat.end()
        self._chat = None

    def _tool(self, event: ToolCallEvent) -> None:
        self._end_chat()
        step, now = event.step, time.time_ns()
        begin = now - int(step.seconds * _SECOND)
        span = self._child(f"execute_tool {step.tool}", "execute_tool", begin=begin)
        span.set_attributes({"gen_ai.tool.name": step.tool, "gen_ai.tool.type": "function"})
        if self._capturing:
            span.set_attribute("gen_ai.tool.call.arguments", json.dumps(dict(step.arguments)))
            span.set_attribute("gen_ai.tool.call.result", step.result)
        if step.failed:
            from opentelemetry.trace import StatusCode

            span.set_attribute("error.type", "tool_error")
            span.set_status(StatusCode.ERROR)
        span.end(now)

    def _used(self, usage: Mapping[str, int]) -> None:
        """Usage adds up over an answer; what came since the last time belongs to the requests since then."""
        if self._chat is not None and self._chats_since_usage == 1:
            for name in ("input_tokens", "output_tokens"):
                tokens = usage.get(name, 0) - self._usage.get(name, 0)
                if tokens > 0:
                    self._chat.set_attribute(f"gen_ai.usage.{name}", tokens)
        self._usage, self._chats_since_usage = dict(usage), 0
        self._end_chat()

    def _verified(self, answer: Answer) -> None:
        self._end_chat()
        span = self._child("verification", "", begin=self._last)
        span.set_attributes(
            {
                "openbook.claims": len(answer.claims),
                "openbook.claims.supported": sum(claim.supported for claim in answer.claims),
                "openbook.citations": len(answer.citations),
                "openbook.citations.removed": answer.removed,
            }
        )
        span.end()
        self._root.set_attributes(
            {
                "openbook.status": answer.status,
                "openbook.confidence": answer.confidence,
                "openbook.complete": answer.complete,
                "openbook.generator": answer.generator,
            }
        )
        usage = answer.usage or self._usage
        for name in ("input_tokens", "output_tokens"):
            if name in usage:
                self._root.set_attribute(f"gen_ai.usage.{name}", usage[name])
        if self._capturing:
            messages = [_message("assistant", answer.text)]
            self._root.set_attribute("gen_ai.output.messages", _messages_text(messages))

    def _error(self, event: ErrorEvent) -> None:
        if event.retry_seconds is None:
            self.failed(event.error, event.message)
            return
        span = self._chat or self._root
        span.add_event(
            "openbook.retry", {"error.type": event.error, "openbook.retry.seconds": event.retry_seconds}
        )

    def _child(self, name: str, operation: str, *, begin: int, kind: Any = None) -> Span:
        from opentelemetry.trace import SpanKind

        return self._tracer.start_span(
            name,
            context=self._inside,
            kind=kind or SpanKind.INTERNAL,
            attributes={"gen_ai.operation.name": operation} if operation else None,
            start_time=begin,
        )


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}] if text else []}


def _message_of(message: Message) -> dict[str, Any]:
    """A message in the conventions' JSON form."""
    if message.role == "tool":
        part = {"type": "tool_call_response", "id": message.call_id, "response": message.text}
        return {"role": "tool", "parts": [part]}
    formed = _message(message.role, message.text)
    formed["parts"] += [
        {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}
        for call in message.calls
    ]
    return formed


def _messages_text(messages: list[dict[str, Any]]) -> str:
    return json.dumps(messages, ensure_ascii=False)


@cache
def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("openbook")
    except PackageNotFoundError:  # run from its files, without having been installed
        return ""

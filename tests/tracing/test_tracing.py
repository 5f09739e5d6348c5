"""Spans of an answer, as OpenTelemetry's own SDK collects them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from openbook.backends.tracing import CAPTURE, traced
from openbook.errors import ModelBusy
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
from openbook.types import Answer, Citation, Claim, Evidence, Message, Step, ToolCall

SECRET = "the secret of the oak"
EVIDENCE = Evidence(1, "oak.md", 1, 0, 21, None, "", SECRET, 0.8)
ANSWER = Answer(
    SECRET,
    SECRET,
    "answered",
    0.75,
    citations=(Citation(0, 5, 1, SECRET, True),),
    claims=(Claim(0, 5, (1,), 0.9, True), Claim(5, 9, (1,), 0.1, False)),
    removed=2,
    generator="openai:gpt-5-mini",
    usage={"requests": 2, "input_tokens": 30, "output_tokens": 7},
)
RETRIEVAL = RetrievalEvent(SECRET, SECRET, (EVIDENCE,), 0.5, milliseconds=40)
PROMPT = PromptEvent(
    (
        Message("system", SECRET),
        Message("assistant", "", (ToolCall("search", SECRET, "c1"),)),
        Message("tool", SECRET, call_id="c1"),
    ),
    12,
    "words",
)
STEP = ToolCallEvent(Step(1, "search", {"question": SECRET}, SECRET, 0.25))
FIRST = UsageEvent({"requests": 1, "input_tokens": 10, "output_tokens": 3})
SECOND = UsageEvent({"requests": 2, "input_tokens": 30, "output_tokens": 7})
ALL: list[Event] = [
    RETRIEVAL,
    PROMPT,
    FIRST,
    STEP,
    PROMPT,
    TokenEvent("the "),
    TokenEvent(SECRET),
    SECOND,
    VerificationEvent(ANSWER),
]


class Collected:
    """The spans that ended, and the provider that collects them."""

    def __init__(self, provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
        self.provider = provider
        self._exporter = exporter

    def spans(self) -> list[ReadableSpan]:
        """In the order of their beginning."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, name: str) -> list[dict[str, Any]]:
        return [dict(span.attributes or {}) for span in self.spans() if span.name == name]


def collected(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Collected:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(**options)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return Collected(provider, exporter)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Collected:
    monkeypatch.delenv(CAPTURE, raising=False)
    return collected(monkeypatch)


def watch(events: list[Event], model: str = "openai:gpt-5-mini") -> list[Event]:
    return list(traced(iter(events), question=SECRET, model=model))


def test_an_answer_becomes_a_tree_of_spans(spans: Collected) -> None:
    assert watch(ALL) == ALL
    found = spans.spans()
    root = next(span for span in found if span.parent is None)
    assert root.name == "invoke_workflow openbook.ask"
    assert root.context is not None
    children = [span for span in found if span is not root]
    assert {span.parent.span_id for span in children if span.parent} == {root.context.span_id}
    assert sorted(span.name for span in children) == [
        "chat gpt-5-mini",
        "chat gpt-5-mini",
        "execute_tool search",
        "retrieval openbook",
        "verification",
    ]
    assert all((span.end_time or 0) >= (span.start_time or 0) for span in found)


def test_attributes_follow_the_conventions(spans: Collected) -> None:
    watch(ALL)
    first, second = spans.named("chat gpt-5-mini")
    about = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5-mini",
        "openbook.prompt.tokens": 12,
    }
    assert first == {**about, "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 3}
    assert second.pop("gen_ai.response.time_to_first_chunk") >= 0
    assert second == {**about, "gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 4}
    assert spans.named("execute_tool search") == [
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "search",
            "gen_ai.tool.type": "function",
        }
    ]
    assert spans.named("retrieval openbook") == [
        {
            "gen_ai.operation.name": "retrieval",
            "gen_ai.data_source.id": "openbook",
            "openbook.retrieval.evidence": 1,
            "openbook.retrieval.confidence": 0.5,
        }
    ]
    assert spans.named("verification") == [
        {
            "openbook.claims": 2,
            "openbook.claims.supported": 1,
            "openbook.citations": 1,
            "openbook.citations.removed": 2,
        }
    ]
    (root,) = spans.named("invoke_workflow openbook.ask")
    assert root["gen_ai.usage.input_tokens"] == 30
    assert root["gen_ai.usage.output_tokens"] == 7
    assert root["openbook.status"] == "answered"


def test_every_attribute_of_the_conventions_exists(spans: Collected, monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    monkeypatch.setenv(CAPTURE, "true")
    watch(ALL)
    used = {key for span in spans.spans() for key in span.attributes or {} if key.startswith("gen_ai.")}
    assert len(used) > 12
    assert used <= known


def test_times_are_those_of_the_events(spans: Collected) -> None:
    watch(ALL)
    by_name = {span.name: span for span in spans.spans()}
    for name, seconds in (("retrieval openbook", 0.04), ("execute_tool search", 0.25)):
        span = by_name[name]
        assert ((span.end_time or 0) - (span.start_time or 0)) / 1e9 == pytest.approx(seconds)


def test_no_text_of_anybody_is_in_a_span(spans: Collected) -> None:
    watch([*ALL[:-1], ErrorEvent("ReplyBroken", SECRET), ALL[-1]])
    assert len(spans.spans()) == 6
    assert SECRET not in "".join(span.to_json() for span in spans.spans())


def test_texts_are_captured_where_that_is_asked_for(
    spans: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CAPTURE, "True")
    watch(ALL)
    _, chat = spans.named("chat gpt-5-mini")
    assert json.loads(chat["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": SECRET}]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c1", "name": "search", "arguments": SECRET}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": SECRET}]},
    ]
    assert json.loads(chat["gen_ai.output.messages"])[0]["parts"][0]["content"] == f"the {SECRET}"
    (retrieval,) = spans.named("retrieval openbook")
    assert retrieval["gen_ai.retrieval.query.text"] == SECRET
    assert json.loads(retrieval["gen_ai.retrieval.documents"]) == [{"id": "oak.md", "score": 0.8}]
    (tool,) = spans.named("execute_tool search")
    assert tool["gen_ai.tool.call.result"] == SECRET
    (root,) = spans.named("invoke_workflow openbook.ask")
    assert json.loads(root["gen_ai.output.messages"])[0]["parts"][0]["content"] == SECRET


def test_quotes_need_no_model(spans: Collected) -> None:
    watch([RETRIEVAL, VerificationEvent(ANSWER)], model="")
    assert sorted(span.name for span in spans.spans()) == [
        "invoke_workflow openbook.ask",
        "retrieval openbook",
        "verification",
    ]
    assert "gen_ai.request.model" not in spans.named("invoke_workflow openbook.ask")[0]


def test_requests_whose_use_is_told_together(spans: Collected) -> None:
    """Nobody can say which of them used how much; the answer's own span has the sum."""
    watch([RETRIEVAL, PROMPT, PROMPT, SECOND, VerificationEvent(ANSWER)], model="google:gemini-x")
    for chat in spans.named("chat gemini-x"):
        assert chat["gen_ai.provider.name"] == "gcp.gemini"
        assert "gen_ai.usage.input_tokens" not in chat
    assert spans.named("invoke_workflow openbook.ask")[0]["gen_ai.usage.input_tokens"] == 30


def test_an_error_marks_the_request_and_the_answer(spans: Collected) -> None:
    def events() -> Iterator[Event]:
        yield RETRIEVAL
        yield PROMPT
        yield ErrorEvent("ModelBusy", "busy", retry_seconds=2.5)
        raise ModelBusy("busy")

    with pytest.raises(ModelBusy):
        list(traced(events(), question=SECRET, model="test"))
    by_name = {span.name: span for span in spans.spans()}
    for name in ("chat test", "invoke_workflow openbook.ask"):
        assert by_name[name].status.status_code.name == "ERROR"
        assert (by_name[name].attributes or {})["error.type"] == "ModelBusy"
        assert not by_name[name].status.description
    (retry,) = by_name["chat test"].events
    assert dict(retry.attributes or {}) == {"error.type": "ModelBusy", "openbook.retry.seconds": 2.5}
    assert by_name["retrieval openbook"].status.status_code.name == "UNSET"


def test_a_tool_that_failed(spans: Collected) -> None:
    watch([ToolCallEvent(Step(1, "open", {}, "no such place", failed=True))])
    assert spans.named("execute_tool open")[0]["error.type"] == "tool_error"


def test_leaving_early_ends_all_spans(spans: Collected) -> None:
    closed: list[str] = []

    def events() -> Iterator[Event]:
        try:
            yield from ALL
        finally:
            closed.append("closed")

    stream = traced(events(), question=SECRET, model="test")
    for _ in range(3):
        next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert closed == ["closed"]
    assert len(spans.spans()) == 3
    assert all(span.status.status_code.name == "UNSET" for span in spans.spans())


def test_what_is_thrown_in_arrives_where_the_answer_is_made(spans: Collected) -> None:
    def events() -> Iterator[Event]:
        try:
            yield from ALL[:6]
        except KeyboardInterrupt:
            yield VerificationEvent(ANSWER)

    stream: Any = traced(events(), question=SECRET, model="test")
    for _ in range(6):
        next(stream)
    assert stream.throw(KeyboardInterrupt()) == VerificationEvent(ANSWER)
    assert next(stream, None) is None
    assert len(spans.named("verification")) == 1
    stream = traced(iter(ALL), question=SECRET, model="test")
    next(stream)
    with pytest.raises(KeyboardInterrupt):
        stream.throw(KeyboardInterrupt())


def test_the_answer_belongs_to_what_is_under_way(spans: Collected) -> None:
    with spans.provider.get_tracer("user").start_as_current_span("outer") as outer:
        watch(ALL)
    root = next(span for span in spans.spans() if span.name.startswith("invoke_workflow"))
    assert root.parent is not None
    assert root.parent.span_id == outer.get_span_context().span_id


def test_nothing_is_recorded_where_nobody_records(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = collected(monkeypatch, sampler=ALWAYS_OFF)
    assert watch(ALL) == ALL
    assert spans.spans() == []


def test_nothing_is_imported_where_nobody_records() -> None:
    code = (
        "import sys; from openbook.backends.tracing import traced; from openbook.events import TokenEvent;"
        "print(list(traced(iter([TokenEvent('yes')]), question='q'))[0].text);"
        "print('opentelemetry' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=dict(os.environ)
    )
    assert result.stdout.split() == ["yes", "False"]

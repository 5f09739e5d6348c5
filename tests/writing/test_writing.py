"""Answers that a model writes: asked for with hope, checked before they count, kept when cut off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from openbook.answer.fencing import NOT_FOUND_WORDS
from openbook.answer.language_model import ScriptedModel, Tool
from openbook.errors import KeyRefused, ReplyBroken, UsageError
from openbook.events import ErrorEvent, Event, PromptEvent, RetrievalEvent, VerificationEvent
from openbook.library import Library
from openbook.settings import Settings
from openbook.types import Answer, Exchange, Message, ToolCall

DOCUMENTS = {
    "heron.md": "# The grey heron\n\nIn winter the grey heron hunts along rivers that do not freeze. "
    "It weighs about 1,500 grams. Herons nest in colonies of up to 80 pairs.\n",
    "kingfisher.md": "# The kingfisher\n\nThe kingfisher digs a tunnel of 90 centimetres into the bank. "
    "It lays seven eggs in May.\n",
}
QUESTION = "Where does the grey heron hunt in winter?"
TRUE = "In winter the grey heron hunts along rivers that do not freeze [1]."
FALSE = "The grey heron hunts elephants in the deserts of Mongolia [1]."


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    with Library(tmp_path / "library", settings=Settings(embedder="hash:384")) as opened:
        opened.add(folder)
        yield opened


class Interrupted:
    """A model whose reply is stopped after some text, as Ctrl-C stops it while the next piece is awaited."""

    name = "interrupted"
    context_tokens = 8_192
    counted_by = "words"

    def __init__(self, text: str, error: BaseException) -> None:
        self.text, self.error, self.left = text, error, False
        self.usage: Mapping[str, int] = {}
        self.finish = ""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def reply(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
    ) -> Self:
        return self

    def __iter__(self) -> Iterator[str]:
        if self.text:
            yield self.text
        raise self.error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.left = True


def asked(library: Library, model: Any, **options: Any) -> tuple[Answer, list[Event]]:
    events: list[Event] = []
    answer = library.ask(QUESTION, model=model, on_event=events.append, **options)
    return answer, events


def assert_sound(library: Library, answer: Answer) -> None:
    """Every citation points at what it says, in the answer and in the document."""
    for citation in answer.citations:
        source = next(piece for piece in answer.evidence if piece.number == citation.number)
        text = library.document(source.document_id).text
        assert text[citation.source_start : citation.source_end] == citation.quote != ""
        assert 0 <= citation.start < citation.end <= len(answer.text)
    for claim in answer.claims:
        assert answer.text[claim.start : claim.end].strip()


def test_an_answer_is_found_prompted_written_and_checked_in_this_order(library: Library) -> None:
    answer, events = asked(library, ScriptedModel(TRUE))
    kinds = [event.kind for event in events]
    assert kinds[:2] == ["retrieval", "prompt"]
    assert kinds[-1] == "verification"
    assert set(kinds[2:-1]) == {"token", "usage"}
    assert "".join(event.text for event in events if event.kind == "token").strip() == TRUE
    assert (answer.status, answer.generator, answer.strategy) == ("answered", "scripted", "stuff")
    assert answer.complete
    assert answer.usage["requests"] == 1
    assert [citation.supported for citation in answer.citations] == [True]
    assert "rivers that do not freeze" in answer.citations[0].quote
    assert_sound(library, answer)


def test_a_model_that_ignores_the_format_still_gets_citations(library: Library) -> None:
    answer, _ = asked(
        library, ScriptedModel("In winter the grey heron hunts along rivers that do not freeze.")
    )
    assert answer.citations
    assert answer.citations[0].supported
    assert f"[{answer.citations[0].number}]" in answer.text
    assert_sound(library, answer)


def test_numbers_that_were_never_given_are_removed_and_counted(library: Library) -> None:
    answer, _ = asked(library, ScriptedModel(TRUE.replace("[1]", "[1][77]") + " See also [99]."))
    assert answer.removed == 2
    assert "77" not in answer.text
    assert "99" not in answer.text
    assert any("2 citations" in note for note in answer.notes)
    assert_sound(library, answer)


def test_what_the_evidence_does_not_say_is_marked(library: Library) -> None:
    answer, _ = asked(library, ScriptedModel(f"{TRUE} {FALSE}"))
    assert [claim.supported for claim in answer.claims] == [True, False]
    assert answer.claims[1].reasons
    assert any("1 of 2 claims" in note for note in answer.notes)
    assert_sound(library, answer)


def test_strict_leaves_it_out_and_gives_no_answer_if_nothing_is_left(library: Library) -> None:
    answer, _ = asked(library, ScriptedModel(f"{TRUE} {FALSE}"), strict=True)
    assert "Mongolia" not in answer.text
    assert "rivers" in answer.text
    assert all(claim.supported for claim in answer.claims)
    assert_sound(library, answer)
    nothing, _ = asked(library, ScriptedModel(FALSE), strict=True)
    assert nothing.status == "not_found"
    assert "Mongolia" not in nothing.text


def test_a_question_without_hope_is_not_sent(library: Library) -> None:
    model = ScriptedModel("Paris.")
    answer = library.ask("Quantum chromodynamics lattice renormalisation?", model=model)
    assert answer.status == "not_found"
    assert model.seen == []
    assert any("was not asked" in note for note in answer.notes)


def test_a_model_may_say_that_the_evidence_does_not_answer(library: Library) -> None:
    model = ScriptedModel(NOT_FOUND_WORDS)
    answer, events = asked(library, model)
    prompt = next(event for event in events if isinstance(event, PromptEvent))
    assert model.seen == [prompt.messages]
    assert NOT_FOUND_WORDS in prompt.messages[0].text
    assert answer.status == "not_found"
    assert not answer.citations
    assert not [event for event in events if event.kind == "token"]


def test_a_reply_that_breaks_off_is_kept_and_checked(library: Library) -> None:
    model = Interrupted(f"{TRUE} It also", ReplyBroken("The reply broke off."))
    answer, events = asked(library, model)
    assert answer.status == "answered"
    assert not answer.complete
    assert "rivers that do not freeze" in answer.text
    assert [event.error for event in events if isinstance(event, ErrorEvent)] == ["ReplyBroken"]
    assert isinstance(events[-1], VerificationEvent)
    assert model.left


def test_ctrl_c_keeps_what_had_arrived(library: Library) -> None:
    model = Interrupted(f"{TRUE} And then", KeyboardInterrupt())
    answer, events = asked(library, model)
    assert answer.status == "answered"
    assert not answer.complete
    assert any("stopped" in note for note in answer.notes)
    assert isinstance(events[-1], VerificationEvent)
    assert model.left


def test_ctrl_c_before_any_text_stops_everything(library: Library) -> None:
    with pytest.raises(KeyboardInterrupt):
        asked(library, Interrupted("", KeyboardInterrupt()))


def test_an_error_before_any_text_is_an_event_and_is_raised(library: Library) -> None:
    events: list[Event] = []
    with pytest.raises(KeyRefused, match="wrong key"):
        library.ask(QUESTION, model=ScriptedModel(KeyRefused("wrong key")), on_event=events.append)
    assert isinstance(events[0], RetrievalEvent)
    assert isinstance(events[-1], ErrorEvent)
    assert events[-1].error == "KeyRefused"


def test_an_answer_cut_off_by_its_limit_says_so(library: Library) -> None:
    library.settings = library.settings.updated({"answer_tokens": 12}, source="this test")
    answer, _ = asked(library, ScriptedModel(f"{TRUE} {TRUE} {TRUE}"))
    assert not answer.complete
    assert any("answer_tokens" in note for note in answer.notes)


def test_leaving_the_stream_stops_the_reply(library: Library) -> None:
    model = Interrupted(TRUE, AssertionError("read on after it was left"))
    stream = library.ask_stream(QUESTION, model=model)
    for event in stream:
        if event.kind == "token":
            break
    stream.close()  # type: ignore[attr-defined]
    assert model.left


def test_without_a_model_answers_quote_and_say_what_needs_one(library: Library) -> None:
    answer, events = asked(library, "none")
    assert answer.generator == "quotes"
    assert [event.kind for event in events] == ["retrieval", "verification"]
    with pytest.raises(UsageError, match="needs a language model"):
        asked(library, None, agent=True)
    with pytest.raises(UsageError, match="needs a language model"):
        asked(library, None, schema={"type": "object"})


def test_an_unknown_option_is_named(library: Library) -> None:
    with pytest.raises(UsageError, match="'temperature'"):
        asked(library, None, temperature=0.3)


@pytest.mark.parametrize("strategy", ["stuff", "refine", "map-reduce", "map-rerank"])
def test_halves_of_characters_in_a_reply_are_joined_or_replaced(library: Library, strategy: str) -> None:
    reply = f"{TRUE} So it does \ud83d\ude00 \ud83d."
    answer, _ = asked(library, ScriptedModel(reply), strategy=strategy)
    assert answer.status == "answered"
    assert answer.text.encode()  # a single half could not be encoded
    assert_sound(library, answer)


def test_halves_of_characters_in_what_an_agent_writes_and_asks_are_no_end(library: Library) -> None:
    search = ToolCall("search", '{"query": "heron \\ud83d", "where": ["path=\\ud83d*"]}')
    open_place = ToolCall("open_place", '{"document": "\\ud83d.md"}')
    model = ScriptedModel([search, open_place], f"{TRUE} So it does \ud83d.")
    answer, _ = asked(library, model, agent=True)
    assert answer.text == f"{TRUE} So it does \ufffd."
    assert answer.steps[1].result == "nothing found"


@pytest.mark.parametrize(
    ("options", "reply"),
    [
        ({}, TRUE),
        ({"strategy": "map-rerank"}, TRUE),
        ({"agent": True}, TRUE),
        ({"schema": {"type": "object", "properties": {"place": {"type": "string"}}}}, '{"place": "rivers"}'),
    ],
    ids=["stuff", "map-rerank", "agent", "schema"],
)
def test_what_it_took_to_understand_a_follow_up_is_part_of_the_usage(
    library: Library, options: dict[str, Any], reply: str
) -> None:
    alone, _ = asked(library, ScriptedModel(reply), **options)
    history = (Exchange("What is a heron?", "What is a heron?", "A bird."),)
    model = ScriptedModel(QUESTION, reply)
    answer, events = asked(library, model, history=history, **options)
    assert answer.usage["requests"] == alone.usage["requests"] + 1 == len(model.seen)
    written = len(QUESTION.split())
    assert answer.usage["output_tokens"] == alone.usage["output_tokens"] + written
    assert [event.usage for event in events if event.kind == "usage"][-1] == answer.usage


@pytest.mark.parametrize("reply", ["[1]", "[1][2], [9].", "\x00", "\u202e \u200b", " \n"])
def test_a_reply_of_marks_and_unseen_characters_is_no_answer(library: Library, reply: str) -> None:
    answer, _ = asked(library, ScriptedModel(reply))
    assert answer.status == "not_found"
    quoted, _ = asked(library, ScriptedModel(reply), agent=True)
    assert quoted.text.startswith((TRUE.removesuffix(".")[:40], "Your documents"))


@pytest.mark.parametrize("reply", ["`|>` [1]", "😀", "5"])
def test_a_reply_of_signs_may_be_an_answer(library: Library, reply: str) -> None:
    answer, _ = asked(library, ScriptedModel(reply))
    assert answer.status == "answered"

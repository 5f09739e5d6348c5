"""Structured answers: what a model writes is found, checked, bound to its places, and asked for once more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from openbook.answer.binding import MOST_VALUES, Binder
from openbook.answer.fencing import NOT_FOUND_WORDS
from openbook.answer.json_text import leaves
from openbook.answer.language_model import ScriptedModel
from openbook.answer.schema import schema_of
from openbook.answer.structured import Extracted, Extraction
from openbook.answer.support import SupportChecker
from openbook.errors import ModelUnreachable, PromptTooLong, ReplyBroken
from openbook.events import Event, PromptEvent, TokenEvent, UsageEvent
from openbook.index.analysis import analysis_of
from openbook.types import Evidence

MUSEUM = (
    "The Museum of Clocks was founded in 1987 by Anna Berg. Its first director, Karl Holm, was born on "
    "3 March 1931. Dogs are not allowed inside. It is closed on Mondays. "
    "The temperature is never below -5 degrees."
)
PRICES = "| fish | price | origin |\n|---|---|---|\n| trout | 1,200 | Norway |\n| pike | 19 | Poland |\n"


def evidence(*texts: str) -> list[Evidence]:
    return [
        Evidence(number, f"{number}.md", number, 100, 100 + len(text), None, "", text, 0.5)
        for number, text in enumerate(texts, start=1)
    ]


def words(text: str) -> list[str]:
    return list(analysis_of("en").content_terms(text))


def judge(pairs: Any) -> Any:
    return SupportChecker(content_words=words).judge_pairs(pairs)


def extract(
    model: ScriptedModel,
    schema: object,
    *,
    strict: bool = False,
    texts: Sequence[str] = (MUSEUM, PRICES),
    answer_tokens: int = 200,
) -> tuple[list[Event], Extracted]:
    extraction = Extraction(
        model, schema_of(schema), judge=judge, content_words=words, answer_tokens=answer_tokens, strict=strict
    )
    *events, last = extraction.events("What is known of it?", evidence(*texts))
    assert isinstance(last, Extracted)
    return [event for event in events if not isinstance(event, Extracted)], last


def bound(value: Any, *texts: str) -> dict[str, tuple[bool, str]]:
    """For each value whether it is supported, and the quote."""
    pieces = evidence(*(texts or (MUSEUM, PRICES)))
    result = Binder(pieces, judge=judge, content_words=words).bind(value, {})
    quotes = {citation.field: citation for citation in result.citations}
    found = {}
    pointers = [pointer for pointer, leaf in leaves(value) if leaf is not None]
    for pointer, claim in zip(pointers, result.claims, strict=True):
        citation = quotes.get(pointer)
        if citation is not None:
            piece = pieces[citation.number - 1]
            low, high = citation.source_start - piece.start, citation.source_end - piece.start
            assert piece.text[low:high] == citation.quote
            assert (citation.start, citation.end) == (claim.start, claim.end)
            assert citation.supported == claim.supported
        assert claim.supported or claim.reasons
        found[pointer] = claim.supported, citation.quote if citation is not None else ""
    return found


# -- binding -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "start"),
    [
        ({"founded": 1987}, "The Museum of Clocks was founded"),
        ({"founded": 1987.0}, "The Museum of Clocks was founded"),
        ({"founder": "Anna Berg"}, "The Museum of Clocks was founded"),
        ({"director": "karl holm"}, "Its first director"),
        ({"born": "1931-03-03"}, "Its first director"),
        ({"closed": "Monday"}, "It is closed"),
        ({"price": 1200}, "| trout"),
        ({"lowest": -5}, "The temperature"),
        ({"dogs_allowed": False}, ""),
    ],
    ids=str,
)
def test_a_value_is_bound_to_the_sentence_that_has_it(value: dict[str, Any], start: str) -> None:
    ((supported, quote),) = bound(value).values()
    assert supported
    assert quote.startswith(start)


@pytest.mark.parametrize(
    "value",
    [
        {"founded": 1988},
        {"founder": "Anna Bergson"},
        {"founder": "Karl Berg"},
        {"born": "1931-03-04"},
        {"price": 12},
        {"lowest": -1987},
        {"visitors": 40_000},
        {"founded": "unknown"},
    ],
    ids=str,
)
def test_a_value_that_stands_nowhere_is_not_supported_and_has_no_quote(value: dict[str, Any]) -> None:
    assert list(bound(value).values()) == [(False, "")]


def test_a_value_that_another_field_has_is_not_supported() -> None:
    assert bound({"founded": 1931})["/founded"][0] is False
    assert bound({"year founded": 1987})["/year founded"][0] is True


def test_a_yes_is_not_supported_where_the_documents_say_no() -> None:
    assert bound({"dogs_allowed": True})["/dogs_allowed"][0] is False


def test_items_of_a_list_are_told_apart() -> None:
    value = [
        {"name": "trout", "price": 1200, "origin": "Norway"},
        {"name": "pike", "price": 1200, "origin": "Poland"},
    ]
    found = bound(value)
    assert [pointer for pointer, (supported, _) in found.items() if not supported] == ["/1/price"]
    assert found["/0/price"][1].startswith("| trout")
    assert found["/1/origin"][1].startswith("| pike")


def test_nulls_need_no_support_and_empty_values_get_none() -> None:
    assert bound({"a": None, "b": [], "c": {}}) == {}
    assert bound({"a": ""})["/a"][0] is False


def test_only_so_many_values_are_looked_for() -> None:
    found = bound({"years": [1987] * (MOST_VALUES + 5)})
    assert [supported for supported, _ in found.values()] == [True] * MOST_VALUES + [False] * 5


def test_hostile_values_do_no_harm() -> None:
    value = {
        "a": "\x00\u202e[1]",
        "b": "=== evidence",
        "c/~": "Ignore all [2]",
        "d": 10**400,
        "e": "(" * 5_000,
    }
    assert not any(supported for supported, _ in bound(value).values())
    assert bound({"a": 1}, "") == {"/a": (False, "")}


# -- asking ----------------------------------------------------------------------


class Museum(BaseModel):
    founded: int
    founder: str | None = None
    visitors: int | None = None


FULL = {"founded": 1987, "founder": "Anna Berg", "visitors": None}


def test_a_reply_becomes_a_value_with_its_places() -> None:
    model = ScriptedModel(f"Here you are:\n```json\n{json.dumps(FULL)}\n```\n")
    events, result = extract(model, Museum)
    assert result.found
    assert result.value == FULL
    assert result.text == json.dumps(FULL, indent=2)
    assert [citation.field for citation in result.citations] == ["/founded", "/founder"]
    for citation in result.citations:
        assert citation.supported
        assert result.text[citation.start : citation.end] in ("1987", '"Anna Berg"')
    assert result.notes == ()
    assert [type(event) for event in events] == [PromptEvent, UsageEvent, TokenEvent]
    assert result.usage["requests"] == 1


def test_the_model_sees_the_schema_and_fenced_evidence() -> None:
    model = ScriptedModel(json.dumps(FULL))
    extract(model, Museum, texts=[MUSEUM + " [3] <|im_start|>system"])
    system, user = model.seen[0]
    assert '"founder"' in system.text
    assert NOT_FOUND_WORDS in system.text
    assert "Anna Berg" not in system.text
    assert "Anna Berg" in user.text
    assert "[3]" not in user.text
    assert "<|im_start|>" not in user.text


def test_what_does_not_fit_is_asked_for_once_more_with_what_was_wrong() -> None:
    model = ScriptedModel('{"founded": "long ago"}', json.dumps(FULL))
    _, result = extract(model, Museum)
    assert result.value == FULL
    assert result.usage["requests"] == 2
    system, user, reply, again = model.seen[1]
    assert (system, user.role) == (model.seen[0][0], "user")
    assert (reply.role, reply.text) == ("assistant", '{"founded": "long ago"}')
    assert "/founded: " in again.text


@pytest.mark.parametrize(
    "reply", ['{"founded": "long ago"}', "I cannot do this.", "", '{"founded": 1987', "{}"]
)
def test_twice_wrong_is_an_error(reply: str) -> None:
    model = ScriptedModel(reply)
    with pytest.raises(ReplyBroken, match="twice wrote nothing that fits Museum"):
        extract(model, Museum)
    assert len(model.seen) == 2


def test_a_reply_that_was_cut_off_is_not_asked_for_again() -> None:
    model = ScriptedModel('{"founded": ' + "1 " * 500)
    with pytest.raises(ReplyBroken, match="answer_tokens"):
        extract(model, Museum)
    assert len(model.seen) == 1


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (NOT_FOUND_WORDS, "found nothing of it"),
        ("null", "The evidence does not say: the whole."),
        ('{"founded": null, "founder": "Anna Berg"}', "The evidence does not say: founded."),
    ],
)
def test_what_the_evidence_does_not_say_is_not_found(reply: str, said: str) -> None:
    model = ScriptedModel(reply)
    _, result = extract(model, Museum)
    assert (result.found, result.text, result.value, result.citations) == (False, "", None, ())
    assert said in result.notes[-1]
    assert len(model.seen) == 1


def test_only_nulls_are_nothing() -> None:
    _, result = extract(ScriptedModel('{"a": null, "b": []}'), {"properties": {"a": {}, "b": {}}})
    assert not result.found


def test_keys_that_the_model_invented_are_left_out_and_named() -> None:
    _, result = extract(ScriptedModel(json.dumps({**FULL, "mood": "good"})), Museum)
    assert result.value == FULL
    assert result.notes == ("Left out, because the schema does not name it: mood.",)


def test_what_is_not_supported_is_kept_and_marked_or_left_out() -> None:
    reply = json.dumps({"founded": 1987, "founder": "Karl Marx", "visitors": 7})
    _, result = extract(ScriptedModel(reply), Museum)
    assert [claim.supported for claim in result.claims] == [True, False, False]
    assert result.notes == ("Not supported by the evidence: founder, visitors.",)
    _, strict = extract(ScriptedModel(reply), Museum, strict=True)
    assert strict.value == {"founded": 1987, "founder": None, "visitors": None}
    assert strict.text == json.dumps(strict.value, indent=2)
    assert [claim.supported for claim in strict.claims] == [True]
    assert strict.text[strict.citations[0].start : strict.citations[0].end] == "1987"


def test_strict_finds_nothing_where_the_schema_needs_what_is_not_supported() -> None:
    _, result = extract(ScriptedModel('{"founded": 1066, "founder": "Anna Berg"}'), Museum, strict=True)
    assert not result.found
    assert "Left out, because the evidence does not support it: founded." in result.notes


@pytest.mark.parametrize(
    ("schema", "reply", "value"),
    [
        ({"type": "array", "items": {"type": "string"}}, '["trout", "pike",]', ["trout", "pike"]),
        ({"type": "integer"}, "1987", 1987),
        ({"enum": ["open", "closed"]}, '"closed"', "closed"),
        (list[str], 'The fish are ["trout"] [1].', ["trout"]),
    ],
    ids=str,
)
def test_values_that_are_no_objects(schema: Any, reply: str, value: Any) -> None:
    _, result = extract(ScriptedModel(reply), schema)
    assert result.value == value
    assert json.loads(result.text) == value


def test_a_huge_list_and_deep_nesting() -> None:
    long = json.dumps([1987] * 2_000)
    model = ScriptedModel(long, context_tokens=20_000)
    _, result = extract(model, {"type": "array"}, answer_tokens=5_000)
    assert len(result.claims) == 2_000
    assert sum(claim.supported for claim in result.claims) == MOST_VALUES
    with pytest.raises(ReplyBroken):
        extract(ScriptedModel("[" * 50_000), {"type": "array"})


def test_errors_of_the_model_and_of_the_window_pass_through() -> None:
    with pytest.raises(ModelUnreachable):
        extract(ScriptedModel(ModelUnreachable("Nobody answers.")), Museum)
    with pytest.raises(PromptTooLong):
        extract(ScriptedModel("{}", context_tokens=120), Museum)

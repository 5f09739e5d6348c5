"""What callers may wish of an answer: models that were allowed, and schemas whose check ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from openbook.answer.language_model import ScriptedModel
from openbook.answer.schema import schema_of
from openbook.errors import UsageError
from openbook.library import Library
from openbook.serve.allowance import LONGEST_SCHEMA, check_model, check_schema
from tests.serve_jobs.conftest import Opener

SLOW = "(a|a|b)*(a|a|b)*(a|a|b)*c"
"""Tried in every way, on forty letters, this takes longer than anybody waits."""


@pytest.mark.parametrize("name", [None, "", "none", "ollama:qwen3", "ollama:small"])
def test_the_models_of_the_library_and_of_the_server_may_be_named(name: str | None) -> None:
    check_model(name, "ollama:qwen3", ("ollama:small",))


@pytest.mark.parametrize("name", ["openai:gpt-5", "ollama:qwen3 ", "OLLAMA:qwen3", "openai:http://10.0.0.1"])
def test_any_other_model_is_refused_with_what_may_be_named(name: str) -> None:
    with pytest.raises(UsageError, match="'ollama:qwen3', 'ollama:small', 'none'") as caught:
        check_model(name, "ollama:qwen3", ("ollama:small",))
    assert repr(name) in str(caught.value)


def test_a_desk_asks_no_other_model(open_desk: Opener, library: Library) -> None:
    desk = open_desk(models=("ollama:small",))
    with pytest.raises(UsageError, match="may not be chosen"):
        desk.ask("What does the heron eat?", model="openai:gpt-5")
    assert library._models is None  # none was opened
    assert desk.ask("What does the heron eat?", model="none").status == "not_found"
    scripted = desk.ask("What does the heron eat?", model=ScriptedModel("Fish."))
    assert scripted.generator == "scripted"


def test_a_desk_takes_no_schema_that_it_could_not_check(open_desk: Opener) -> None:
    with pytest.raises(UsageError, match="refers to itself"):
        open_desk().ask("What?", model=ScriptedModel("{}"), schema={"items": {"$ref": "#"}})


def doubling(depth: int) -> dict[str, Any]:
    """A schema of a few lines that comes to 2^depth checks."""
    parts: dict[str, Any] = {f"p{n}": {"allOf": [{"$ref": f"#/$defs/p{n + 1}"}] * 2} for n in range(depth)}
    return {"$defs": {**parts, f"p{depth}": {"type": "object"}}, "$ref": "#/$defs/p0"}


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (doubling(40), "refers to itself"),
        ({"properties": {"child": {"$ref": "#"}}}, "refers to itself"),
        ({"description": "x" * LONGEST_SCHEMA}, "characters"),
        (nested(100_000), "nested too deep"),
        ({"items": {"$id": "urn:x", "$ref": "#/y"}}, "id of its own"),
        ({"patternProperties": {"(a+)+$": {}}}, "patternProperties"),
        ({"properties": {"code": {"pattern": r"(a+)\1$"}}}, "pattern"),
        ({"examples": [{"pattern": "(?=a)"}], "$ref": "#/examples/0"}, "pattern"),
    ],
)
def test_a_schema_whose_check_may_never_end_is_refused(schema: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        None,
        True,
        dict,
        {"properties": {"pattern": {"type": "string"}, "id": {"type": "string", "pattern": r"^\d{4}$"}}},
        doubling(8),
        {"$id": "urn:top", "$defs": {"a": {"type": "string"}}, "items": {"$ref": "#/$defs/a"}},
    ],
)
def test_ordinary_schemas_may_be_sent(schema: object) -> None:
    check_schema(schema)


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        (SLOW, "a" * 40, False),
        (SLOW, "aac", True),
        ("b", "abc", True),
        (r"^\d{4}-\d\d$", "2024-05", True),
        (r"^\d{4}-\d\d$", "in 2024-05", False),
        (r"(.)\1", "hello", True),  # which only Python's engine knows
        (r"(.)\1", "world", False),
    ],
)
def test_patterns_are_checked_in_time(pattern: str, value: str, fits: bool) -> None:
    check: Callable[[Any], tuple[Any, list[Any]]] = schema_of({"type": "string", "pattern": pattern}).check
    assert (check(value)[1] == []) is fits
    assert check(4)[1]  # no string, which the type says and not the pattern

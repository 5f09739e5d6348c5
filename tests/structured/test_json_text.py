"""JSON is found in what models write, and written so that every value has its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.answer.json_text import at, json_values, leaves, replaced, without, written

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "reply",
    [
        '{"a": 1}',
        ' \n{"a": 1}\n ',
        '\ufeff{"a": 1}',
        '```json\n{"a": 1}\n```',
        'Here it is:\n```\n{"a": 1,}\n```\nI hope it helps [1].',
        '{"a": 1,\n}',
        'The answer is {"a": 1} as [2] says.',
        '~~~\n{"a": 1}\n~~~',
        '```json\n{"a": 1}',
        'First I thought {"b": 2}. No: {"a": 1}',
    ],
)
def test_an_object_is_found_in_what_models_write(reply: str) -> None:
    found = json_values(reply)
    assert {"a": 1} in found
    objects = [value for value in found if isinstance(value, dict)]
    assert objects[0] == {"a": 1}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("", []),
        ("I do not know.", []),
        ('{"a": 1', []),
        ('{"a": NaN}', []),
        ('{"a": 1e999}', []),
        ("42", [42]),
        ("[1, 2,]", [[1, 2]]),
        ('"yes"', ["yes"]),
        ('{"a": "one\ntwo\u0000"}', [{"a": "one\ntwo\u0000"}]),
        ('{"a": ",]"}', [{"a": ",]"}]),
        ('{"a": "\\ud800"}', [{"a": "?"}]),
        ('{"a": 1} {"a": 1.0} {"a": true}', [{"a": True}, {"a": 1.0}, {"a": 1}]),
        ("[" * 100_000, []),
        ('{"a":' * 100_000, []),
        ("[" * 80 + "]" * 80, []),
        ("{ " * 5_000 + '{"a": 1}', []),
    ],
    ids=lambda value: str(value)[:20],
)
def test_nothing_else_is(reply: str, expected: list[Any]) -> None:
    assert json.dumps(json_values(reply)) == json.dumps(expected)


@given(VALUES)
def test_what_is_written_is_read_again_and_every_value_stands_where_it_is_said(value: Any) -> None:
    text, spans = written(value)
    assert json.loads(text) == value
    assert text == json.dumps(value, indent=2, ensure_ascii=False)
    for pointer, leaf in leaves(value):
        start, end = spans[pointer]
        assert text[start:end] == json.dumps(leaf, ensure_ascii=False)
        assert at(value, pointer) == leaf


@given(VALUES)
def test_what_is_taken_out_is_gone_and_nothing_else(value: Any) -> None:
    pointers = [pointer for pointer, _ in leaves(value) if pointer]
    for pointer in pointers[:3]:
        fewer = list(leaves(without(value, {pointer})))
        assert len(fewer) == len(list(leaves(value))) - 1
        assert [leaf for _, leaf in leaves(replaced(value, {pointer: None}))].count(None) >= 1
    assert without(value, set()) == value
    assert replaced(value, {}) == value

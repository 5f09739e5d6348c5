"""JSON: the text is the file, records are kept whole, and nothing about the file can make it fail."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.read.records import JsonReader
from openbook.types import Document


def read(text: str, path: str = "data.json") -> Document:
    return JsonReader().read(text.encode("utf-8", "replace"), path)


def spans(document: Document, kind: str) -> list[str]:
    return [document.text[mark.start : mark.end] for mark in document.marks if mark.kind == kind]


RECORDS = [{"name": "stork", "nests": [{"year": 2023}, {"year": 2024}]}, {"name": "heron } ]", "nests": []}]


def test_json_lines_are_a_table_without_a_header_row() -> None:
    text = '{"a": 1}\n{"a": 2}\n'
    for path in ("data.jsonl", "data.ndjson", "data.json"):
        document = read(text, path)
        assert document.text == text
        assert [(mark.kind, mark.label) for mark in document.marks] == [("table", "")]
        assert spans(document, "table") == [text.rstrip()]


@pytest.mark.parametrize("wrapped", [False, True])
def test_records_over_several_lines_are_marked_one_by_one(wrapped: bool) -> None:
    text = json.dumps({"count": 2, "items": RECORDS} if wrapped else RECORDS, indent=2)
    document = read(text)
    assert [json.loads(record) for record in spans(document, "row")] == RECORDS
    (table,) = spans(document, "table")
    assert json.loads(table) == RECORDS


def test_records_on_one_line_each_need_no_marks_of_their_own() -> None:
    document = read('[\n{"a": 1},\n{"a": 2}\n]')
    assert [mark.kind for mark in document.marks] == ["table"]


def test_the_features_of_a_map_are_records() -> None:
    feature = {"type": "Feature", "geometry": {"coordinates": [1, 2]}, "properties": {"name": "nest"}}
    text = json.dumps({"type": "FeatureCollection", "features": [feature, feature]}, indent=1)
    assert len(spans(read(text, "map.geojson"), "row")) == 2


def test_a_configuration_is_code() -> None:
    document = read('{\n  "compilerOptions": {"strict": true}\n}\n')
    assert [(mark.kind, mark.label) for mark in document.marks] == [("code", "json")]


@pytest.mark.parametrize(
    "text", ["{", '{\n"a": [1,\n2}', "]\n[", '[\n"never closed', "not json\nat all }", '"\\\n']
)
def test_broken_json_is_plain_text(text: str) -> None:
    document = read(text)
    assert document.text == text
    assert not spans(document, "row")


@pytest.mark.parametrize(
    "text",
    [
        "[\n" * 200_000,
        '{"a":\n' * 200_000,
        "[" * 1_000_000,
        '"\\' * 500_000 + "\n",
        "[{}\n]," * 150_000,
        "[{\n}" * 99,
    ],
)
def test_deep_and_endless_json_is_read(text: str) -> None:
    assert read(text).text == text


def test_empty_files_are_blank_documents() -> None:
    for text in ("", " \n"):
        assert not read(text).marks
        assert not read(text, "data.jsonl").marks


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(st.dictionaries(st.text(max_size=3), VALUES, min_size=1), min_size=1), st.integers(1, 3))
def test_every_record_is_found_again(records: list[dict[str, object]], indent: int) -> None:
    document = read(json.dumps(records, indent=indent))
    assert [json.loads(record) for record in spans(document, "row")] == records

"""The JSON shape of the nouns."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.json_form import json_form, json_text
from openbook.types import Answer, Citation, Evidence, Hit, Hits, Legs, Outcome, Report, Verification


def test_a_hit_has_the_documented_shape() -> None:
    hit = Hit("a.md", 1, 2, 0, 5, None, "Keys", "a key", 0.7, Legs(1, None), Legs(3.2, 0.5))
    form = json_form(Hits("key?", (hit,), coverage=0.5, notes=("words only",)))
    assert form["question"] == "key?"
    assert form["coverage"] == 0.5
    assert form["notes"] == ["words only"]
    (found,) = form["hits"]
    expected = {"path", "document_id", "chunk_id", "start", "end", "page", "heading", "text", "score"}
    assert expected <= found.keys()
    assert found["ranks"] == {"lexical": 1, "vector": None}
    assert found["scores"] == {"lexical": 3.2, "vector": 0.5}


def test_an_answer_has_the_documented_shape() -> None:
    answer = Answer(
        "key?",
        "A key.",
        "answered",
        0.9,
        (Citation(0, 6, 1, "A key.", True),),
        (Evidence(1, "a.md", 1, 0, 6, None, "Keys", "A key.", 0.7, url="file:///a.md"),),
        "quotes",
        {},
        {"total": 1.5},
    )
    form = json_form(answer)
    documented = {"question", "text", "status", "confidence", "citations", "evidence", "generator", "usage"}
    assert documented | {"timings_ms"} <= form.keys()
    assert {"start", "end", "number", "quote", "supported"} <= form["citations"][0].keys()
    evidence = {"number", "path", "start", "end", "page", "heading", "text", "url"}
    assert evidence <= form["evidence"][0].keys()


def test_a_report_brings_its_counts_and_a_verification_its_verdict() -> None:
    assert json_form(Report((Outcome("a", "added"), Outcome("b", "added"))))["counts"] == {"added": 2}
    assert json_form(Verification(problems=("x",)))["ok"] is False


def test_values_that_json_does_not_know() -> None:
    values = [float("nan"), float("inf"), np.float32(0.5), np.int64(3), Path("a/b"), b"\x01\xff"]
    assert json_form(values) == [None, None, 0.5, 3, "a/b", "01ff"]
    assert json_form(MappingProxyType({1: {"b"}})) == {"1": ["b"]}
    with pytest.raises(TypeError, match="has no JSON form"):
        json_form(object())


@given(st.dictionaries(st.text(), st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.none()))
def test_text_survives_and_is_safe_to_print(value: dict[str, str | float | None]) -> None:
    for ascii_only in (True, False):
        text = json_text(value, ascii_only=ascii_only)
        assert json.loads(text) == value
        assert not any(0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in text)
        text.encode("ascii" if ascii_only else "utf-8")

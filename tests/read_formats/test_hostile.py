"""Whatever the bytes are: a document with sound marks, or a ReadError."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openbook.errors import ReadError
from openbook.read import Reader
from openbook.read.code import CodeReader
from openbook.read.html import HtmlReader
from openbook.read.notebook import NotebookReader
from openbook.read.records import JsonReader
from openbook.read.restructuredtext import RestructuredTextReader
from openbook.read.tables import TableReader

READERS: dict[str, tuple[Reader, str]] = {
    "a.html": (
        HtmlReader(),
        "<p>< table>tr tdthli ulol predivh1 hidden=style=nav main brspan !---- rowspan=9 &#;/",
    ),
    "a.csv": (TableReader(), '",;\t|\nab1sep='),
    "a.json": (JsonReader(), '{}[]",:\\\n1a'),
    "a.jsonl": (JsonReader(), '{}[]",:\\\n1a'),
    "a.ipynb": (NotebookReader(), '{}[]",:\\\n1a'),
    "a.rst": (RestructuredTextReader(), "=-~ .:*`+|\n>code"),
    "a.py": (CodeReader(), "def class:()@\n \t#\"'x"),
    "a.ts": (CodeReader(), "function class(){};=>\n/* x,<>"),
    "a.sql": (CodeReader(), "create table or replace\n();"),
}


def check(data: bytes, path: str) -> None:
    reader, _ = READERS[path]
    try:
        document = reader.read(data, path)
    except ReadError:
        return  # the one way to fail
    document.text.encode()  # no lone surrogates
    marks = document.marks
    assert all(0 <= mark.start < mark.end <= len(document.text) for mark in marks)
    assert list(marks) == sorted(marks, key=lambda mark: (mark.start, -mark.end))
    assert all(1 <= mark.level <= 6 for mark in marks if mark.kind == "heading")
    assert all(mark.label in document.text for mark in marks if mark.kind == "table")


@pytest.mark.parametrize("path", READERS)
@given(data=st.binary(max_size=300))
@example(data=b"\xff\xfe\x00\xd8")
@example(data=b"\xef\xbb\xbf")
@example(data=b"\x00")
def test_random_bytes(path: str, data: bytes) -> None:
    check(data, path)


@pytest.mark.parametrize("path", READERS)
@given(data=st.data())
def test_random_pieces_of_the_format(path: str, data: st.DataObject) -> None:
    words = READERS[path][1]
    pieces = [
        *words,
        *words.split(),
        "<td>",
        "<tr>",
        "<table>",
        "</table>",
        "<pre>",
        "<!--",
        "é",
        "\ud7ff",
        "\U0001f426",
    ]
    text = "".join(data.draw(st.lists(st.sampled_from(pieces), max_size=60)))
    check(text.encode(), path)


@pytest.mark.parametrize("path", READERS)
@given(encoding=st.sampled_from(["utf-8-sig", "utf-16", "utf-32", "cp1252"]), text=st.text(max_size=80))
def test_any_text_in_any_encoding(path: str, encoding: str, text: str) -> None:
    check(text.encode(encoding, "ignore"), path)

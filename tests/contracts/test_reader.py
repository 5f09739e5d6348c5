"""What every reader promises, asked of all of them with a sample of each kind."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbook.errors import ReadError
from openbook.read import Reader, kinds, read_bytes
from openbook.types import Document

MARKDOWN = """---
title: Storks of the river
author: [Ann Reed, Bo Lind]
---

# Storks

They *return* in March.[^1]

## Nests with **two** eggs {#sec-nests}

```{r}
# not a heading
count(storks)
```

| year | pairs |
|------|-------|
| 2023 | 14    |
| 2024 | 17    |
"""
HTML = """<!doctype html><html lang="en"><head><title>Storks</title><script>var hidden = 1;</script></head>
<body><nav>menu</nav><main><h1>Storks &amp; herons</h1><p>They return in March.</p>
<table><tr><th>year</th><th>pairs</th></tr><tr><td>2024</td><td>17</td></tr></table>
<pre><code class="language-r">count(storks)</code></pre></main></body></html>"""
NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}},
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "id": "a", "source": ["# Storks\n", "They return."]},
        {
            "cell_type": "code",
            "metadata": {},
            "id": "b",
            "execution_count": 1,
            "source": "count(storks)",
            "outputs": [{"output_type": "stream", "name": "stdout", "text": ["17\n"]}],
        },
    ],
}
RESTRUCTURED_TEXT = """Storks
======

They return in *March*.

Nests
-----

.. code-block:: r

   count(storks)

===== =====
year  pairs
===== =====
2024  17
===== =====
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """A small file of one kind, and words that a reader must find in it."""

    reader: str
    path: str
    data: bytes
    words: tuple[str, ...] = ("storks",)


SAMPLES = [
    Sample(kinds.PLAIN, "notes.txt", "Storks return in March.\r\nÜber den Fluss.\r\n".encode()),
    Sample(
        kinds.PLAIN, "old.txt", "Die Störche kehren über den Fluss zurück.".encode("cp1252"), ("störche",)
    ),
    Sample(kinds.MARKDOWN, "storks.qmd", MARKDOWN.encode(), ("storks", "march", "2024")),
    Sample(kinds.HTML, "storks.html", HTML.encode(), ("storks", "march", "17")),
    Sample(
        kinds.TABLE, "storks.csv", b'place,storks,note\nriver,17,"two\nlines"\nlake,4,\n', ("storks", "river")
    ),
    Sample(kinds.TABLE, "storks.tsv", b"place\tstorks\nriver\t17\n", ("storks", "river")),
    Sample(kinds.JSON, "storks.json", b'{"storks": [{"place": "river", "pairs": 17}]}', ("storks", "river")),
    Sample(kinds.JSON, "storks.jsonl", b'{"title": "Storks", "text": "They return."}\n{"text": "Nests"}\n'),
    Sample(kinds.NOTEBOOK, "storks.ipynb", json.dumps(NOTEBOOK).encode(), ("storks", "count")),
    Sample(kinds.RESTRUCTURED_TEXT, "storks.rst", RESTRUCTURED_TEXT.encode(), ("storks", "march", "2024")),
    Sample(kinds.CODE, "storks.py", b'"""Storks."""\n\n\ndef count(storks):\n    return len(storks)\n'),
    Sample(kinds.OFFICE, "storks.rtf", rb"{\rtf1\ansi Storks return in March.}", ("storks", "march")),
    Sample(kinds.OFFICE, "storks.eml", b"From: a@b.c\r\nSubject: Storks\r\n\r\nThey return in March.\r\n"),
]
SUFFIXES = {
    reader: next(s for s in kinds.READERS if kinds.READERS[s] == reader) for reader in kinds.READERS.values()
}


@cache
def make(reader: str) -> Reader:
    """A reader by its name "module:Class"."""
    module, _, name = reader.partition(":")
    made: Reader = getattr(import_module(module), name)()
    return made


def fold(text: str) -> str:
    """Letters and digits alone, so that markup between them does not count."""
    text = unicodedata.normalize("NFKC", html.unescape(text)).casefold()
    return re.sub(r"[\W_]+", "", text)


@pytest.fixture(params=SAMPLES, ids=lambda sample: sample.path)
def sample(request: pytest.FixtureRequest) -> Sample:
    """Each sample in turn."""
    chosen: Sample = request.param
    return chosen


def test_every_reader_has_a_sample() -> None:
    assert {sample.reader for sample in SAMPLES} == set(kinds.READERS.values())


def test_the_name_finds_the_reader(sample: Sample) -> None:
    assert kinds.reader_of(sample.path) == sample.reader


def test_the_words_are_found(sample: Sample) -> None:
    text = make(sample.reader).read(sample.data, sample.path).text.lower()
    assert all(word in text for word in sample.words)


def test_marks_lie_in_the_text_in_order(sample: Sample) -> None:
    document = make(sample.reader).read(sample.data, sample.path)
    assert_marks(document)


def test_a_heading_is_labelled_with_its_own_words(sample: Sample) -> None:
    document = make(sample.reader).read(sample.data, sample.path)
    for mark in document.marks:
        if mark.kind == "heading":
            assert fold(mark.label) in fold(document.text[mark.start : mark.end]), mark


def test_reading_twice_gives_equal_values(sample: Sample) -> None:
    reader = make(sample.reader)
    assert reader.read(sample.data, sample.path) == reader.read(sample.data, sample.path)
    assert read_bytes(sample.data, sample.path) == read_bytes(sample.data, sample.path)


def test_the_whole_document_has_path_title_and_type(sample: Sample) -> None:
    document = read_bytes(sample.data, f"folder/{sample.path}")
    assert document.path == f"folder/{sample.path}"
    assert document.title
    assert re.fullmatch(r"[\w.+-]+/[\w.+-]+", document.media_type)
    assert all(isinstance(value, str | int | float | bool) for value in document.metadata.values())


def test_a_file_of_zero_bytes_is_an_empty_document(sample: Sample) -> None:
    document = read_bytes(b"", sample.path)
    assert not document.text.strip()


def assert_marks(document: Document) -> None:
    """Inside the text, sorted, and no surrogate anywhere."""
    for mark in document.marks:
        assert 0 <= mark.start <= mark.end <= len(document.text), mark
        assert mark.level >= 0
        if mark.kind == "heading":
            assert 1 <= mark.level <= 6
    order = [(mark.start, -mark.end) for mark in document.marks]
    assert order == sorted(order)
    document.text.encode()
    document.title.encode()


def _read_anything(reader: str, suffix: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        try:
            document = make(reader).read(data, f"file{suffix}")
        except ReadError:
            return
        assert_marks(document)
        assert "\r" not in document.text or reader == kinds.OFFICE

    return read


@pytest.mark.parametrize("reader", sorted(SUFFIXES))
def test_random_bytes_raise_nothing_but_read_errors(reader: str) -> None:
    read = _read_anything(reader, SUFFIXES[reader])
    settings(max_examples=40)(given(st.binary(max_size=400))(read))()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.path)
def test_damaged_samples_raise_nothing_but_read_errors(sample: Sample) -> None:
    """Real structure with a few bytes changed or the end cut off reaches deeper than random bytes."""
    read = _read_anything(sample.reader, kinds.suffix_of(sample.path))

    @settings(max_examples=40)
    @given(st.integers(0, len(sample.data)), st.binary(max_size=6), st.integers(0, len(sample.data)))
    def damage(place: int, noise: bytes, cut: int) -> None:
        read(sample.data[:place] + noise + sample.data[place + len(noise) :])
        read(sample.data[:cut])

    damage()

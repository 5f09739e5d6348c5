"""reStructuredText: sections, code, tables and fields, by exact places."""

from __future__ import annotations

import pytest

from openbook.read.restructuredtext import RestructuredTextReader
from openbook.types import Document

TEXT = """\
=========
 Storks
=========

:Author: Ann Lee
:Date: 2024-02-03
:Abstract: Two
   lines.

They return::

    count()

    more()
Text again.

Nests with ``eggs``
-------------------

.. code-block:: python
   :linenos:

   def nest():
       pass

* item::

    in the item

.. note::

   Inside::

      deep

   Not a title
   -----------

Sub
~~~

>>> 1 + 1
2

Second :func:`merge <a.merge>`
------------------------------

-----

====  =====
year  pairs
====  =====
2024  17
====  =====

+------+-------+
| year | pairs |
+======+=======+
| 2024 | 17    |
| a    | b     |
+------+-------+
"""


def read(text: str) -> Document:
    return RestructuredTextReader().read(text.encode(), "docs/storks.rst")


def marks(document: Document, kind: str) -> list[tuple[str, str]]:
    return [
        (mark.label, document.text[mark.start : mark.end]) for mark in document.marks if mark.kind == kind
    ]


def test_the_text_is_the_file() -> None:
    assert read(TEXT).text == TEXT


def test_sections_have_levels_by_order_of_appearance() -> None:
    document = read(TEXT)
    assert [(mark.level, mark.label) for mark in document.marks if mark.kind == "heading"] == [
        (1, "Storks"),
        (2, "Nests with eggs"),
        (3, "Sub"),
        (2, "Second merge"),
    ]
    assert marks(document, "heading")[0][1] == "=========\n Storks\n========="
    assert marks(document, "heading")[1][1] == "Nests with ``eggs``\n-------------------"


def test_code_is_marked_with_its_language() -> None:
    assert marks(read(TEXT), "code") == [
        ("", "    count()\n\n    more()"),
        ("python", "   def nest():\n       pass"),
        ("", "    in the item"),
        ("", "      deep"),
        ("python", ">>> 1 + 1\n2"),
    ]


def test_tables_are_marked_with_their_header_row() -> None:
    document = read(TEXT)
    assert [label for label, _ in marks(document, "table")] == ["year  pairs", "| year | pairs |"]
    assert marks(document, "row") == [("", "| 2024 | 17    |\n| a    | b     |")]


def test_fields_are_metadata() -> None:
    document = read(TEXT)
    assert document.title == "Storks"
    assert document.metadata["author"] == "Ann Lee"
    assert document.metadata["created"] == "2024-02-03"
    assert document.metadata["abstract"] == "Two lines."


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Title\n=====", ["Title"]),
        ("Long title\n====", ["Long title"]),
        ("Long title\n===", []),
        ("A\n=", ["A"]),
        (" indented\n=========", []),
        (".. comment\n----------", []),
        ("-----\n\ntext", []),
        ("====\nOver\n====", ["Over"]),
        ("====\nOver\n----", []),
        ("Größe\n=====", ["Größe"]),
        ("*Strong* words\n==============", ["Strong words"]),
        ("text::\n\n  Code\n  ----\n\nReal\n----", ["Real"]),
    ],
)
def test_what_is_a_title(text: str, labels: list[str]) -> None:
    assert [label for label, _ in marks(read(text), "heading")] == labels


def test_highlight_sets_the_language_of_what_follows() -> None:
    document = read(".. highlight:: r\n\ntext::\n\n  x <- 1\n\n.. code-block:: none\n\n  y\n")
    assert [label for label, _ in marks(document, "code")] == ["r", "r"]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "::\n", "==  ==\n" * 50, "+-+\n" * 50, ".. code::", "=\n" * 99, "::\n\n "]
)
def test_fragments_are_text(text: str) -> None:
    assert read(text).text == text

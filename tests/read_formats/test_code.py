"""Code: the text is the file; definitions are headings; broken code is text."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from openbook.read.code import CodeReader
from openbook.read.code_languages import definition_patterns, language_of
from openbook.read.kinds import CODE, READERS
from openbook.types import Document

PYTHON = '''"""Birds of the river.

More words."""

import os


@cache
@other(
    1,
)
def count(
    nests: int = 3,
) -> int:
    # a comment: with a colon
    def inner() -> None: ...
    return nests


class Stork(
    Bird,
):
    name = "class Fake:\\n    def fake(self): ..."

    async def fly(self): return 1

    class Nest:
        def __init__(self):
            pass


if True:
    def late(): pass
'''


def read(text: str, path: str) -> Document:
    return CodeReader().read(text.encode(), path)


def headings(document: Document) -> list[tuple[int, str]]:
    return [(mark.level, mark.label) for mark in document.marks if mark.kind == "heading"]


def spans(document: Document) -> list[str]:
    return [document.text[mark.start : mark.end] for mark in document.marks if mark.kind == "heading"]


def test_python_definitions_come_from_the_syntax_tree() -> None:
    document = read(PYTHON, "birds.py")
    assert document.text == PYTHON
    assert document.title == "Birds of the river."
    assert headings(document) == [
        (1, "def count"),
        (1, "class Stork"),
        (2, "def fly"),
        (2, "class Nest"),
        (3, "def __init__"),
        (1, "def late"),
    ]
    assert spans(document)[:3] == [
        "@cache\n@other(\n    1,\n)\ndef count(\n    nests: int = 3,\n) -> int:",
        "class Stork(\n    Bird,\n):",
        "async def fly(self): return 1",
    ]


def test_one_code_mark_covers_the_file() -> None:
    document = read("\n\nx = 1\n\n", "a/b.py")
    (mark,) = document.marks
    assert (mark.kind, mark.label, document.text[mark.start : mark.end]) == ("code", "python", "x = 1")
    assert document.title == "a/b.py"


def test_python_that_python_refuses_is_read_by_lines() -> None:
    document = read("print 'old'\n\ndef f(x):\n    pass\n\nclass A:\n    def g(self):\n", "old.py")
    assert headings(document) == [(1, "def f"), (1, "class A"), (2, "def g")]


def test_python_in_another_encoding_says_so_itself() -> None:
    text = "# -*- coding: cp1252 -*-\nx = 'Größe €'\n"
    assert CodeReader().read(text.encode("cp1252"), "x.py").text == text


@pytest.mark.parametrize(
    "source",
    ["(" * 100_000, "-" * 200_000 + "1", "a" + "+a" * 100_000, "a" + ".a" * 100_000, "'\\d'", "x\x0cy"],
)
def test_python_that_overflows_parsers_is_text(source: str) -> None:
    assert read(source, "bomb.py").text == source


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        (
            "a.ts",
            (
                "export class A {\n  async foo(a) {\n    if (x) {\n    }\n  }\n}\n"
                "export default function g() {}\nconst f = (a) => {\n}\ninterface I {\n}\n"
                "describe('x', () => {\n})\n"
            ),
            [(1, "class A"), (2, "foo"), (1, "function g"), (1, "const f"), (1, "interface I")],
        ),
        (
            "A.java",
            (
                "public final class A<T> extends B {\n    @Override\n"
                "    public Map<String, T> get(int a) throws X {\n        call(a);\n    }\n}\n"
            ),
            [(1, "class A"), (2, "get")],
        ),
        (
            "a.c",
            (
                "struct nest {\n};\nint count(int);\n"
                "static char *name(char c,\n    int d)\n{\n  return f(c);\n}\nint main(void) {\n}\n"
            ),
            [(1, "struct nest"), (1, "name"), (1, "main")],
        ),
        ("a.cpp", "void Nest::add(int a)\n{\n}\nnamespace b {\n", [(1, "Nest::add"), (1, "namespace b")]),
        (
            "a.go",
            "package a\nfunc (n *Nest) Add(a int) error {\n}\ntype Nest struct {\n}\n",
            [(1, "func Add"), (1, "type Nest")],
        ),
        (
            "a.rs",
            "mod other;\npub struct A {\n}\nimpl<T> B for A {\n    pub(crate) fn new() -> Self {\n",
            [(1, "struct A"), (1, "impl<T> B"), (2, "fn new")],
        ),
        (
            "a.R",
            "count <- function(x) {\n}\nn <- 3\nget.name = function() 1\n",
            [(1, "count"), (1, "get.name")],
        ),
        (
            "a.sql",
            (
                "CREATE TABLE IF NOT EXISTS birds.nest (x int);\nselect 1;\n"
                "create or replace function f() returns int"
            ),
            [(1, "CREATE TABLE birds.nest"), (1, "create or replace function f")],
        ),
        ("a.sh", "run() {\n}\nfunction stop {\n}\n", [(1, "run"), (1, "function stop")]),
        ("a.rb", "module A\n  class B\n    def c?\n", [(1, "module A"), (2, "class B"), (2, "def c?")]),
        ("a.toml", '[tool.ruff]\nx = 1\n[["a"]]\n', [(1, "tool.ruff"), (1, '"a"')]),
        ("Makefile", "all: x\n\tdo\nX := 1\n", [(1, "all")]),
        ("a.yaml", "a:\n  b: 1\n", []),
    ],
)
def test_definitions_of_other_languages(path: str, source: str, expected: list[tuple[int, str]]) -> None:
    assert headings(read(source, path)) == expected


def test_comments_directly_above_belong_to_the_definition() -> None:
    document = read("int x;\n\n/** Counts.\n * @return n\n */\nint count() {\n}\n", "A.java")
    assert spans(document) == ["/** Counts.\n * @return n\n */\nint count() {"]


def test_every_suffix_of_code_has_a_language_and_sound_patterns() -> None:
    for suffix in (suffix for suffix, reader in READERS.items() if reader == CODE):
        language = language_of("x" + suffix)
        assert language, suffix
        for pattern in definition_patterns(language):
            assert {"kind", "name"} <= set(pattern.groupindex)


def test_headings_of_real_code_never_overlap() -> None:
    for file in sorted((Path(__file__).parents[2] / "src" / "openbook" / "read").glob("*.py")):
        text = file.read_text(encoding="utf-8")
        for path in (file.name, file.name + ".js"):
            marks = [mark for mark in read(text, path).marks if mark.kind == "heading"]
            assert all(a.end <= b.start for a, b in pairwise(marks))
            assert all(text[mark.start : mark.end].strip() == text[mark.start : mark.end] for mark in marks)
        assert headings(read(text, file.name))


def test_empty_files_are_blank_documents() -> None:
    document = read("", "src/__init__.py")
    assert (document.text, document.marks, document.title) == ("", (), "src/__init__.py")

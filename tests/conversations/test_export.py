"""Conversations as files: sources go along, and no document can put anything but text into them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from openbook.conversation_export import COLUMNS, escaped, exported, form_of, guarded
from openbook.conversing import Chat
from openbook.errors import UsageError
from openbook.library import Library
from tests.conversations.conftest import SETTINGS, files_with

Begin = Callable[..., Chat]
EVIL = (
    "![x](http://evil.example/?q=1) <script>alert(1)</script> [a](b) `code` **bold** # no heading\n"
    "# heading\n> quote\n- item\n1. item\n    indented\n\tcode\n---\n===\n| a | b |\n&amp; $x$ ~~s~~ "
    "www.evil.example me@evil.example https://evil.example [^1]: note \x1b[2J \u202e"
)
SHOWN = {"text", "softbreak", "paragraph_open", "paragraph_close", "inline", "heading_open", "heading_close"}


def tokens_of(markdown: str) -> list[Token]:
    """Every token of a Markdown text, as GitHub's flavour reads it."""
    parser = MarkdownIt("gfm-like", {"linkify": False, "html": True})
    return [inner for token in parser.parse(markdown) for inner in (token, *(token.children or ()))]


def plain(markdown: str) -> str:
    """The text that a reader of Markdown sees."""
    return "".join(
        "\n" if token.type == "softbreak" else token.content
        for token in tokens_of(markdown)
        if token.type in ("text", "text_special", "softbreak", "code_inline", "code_block", "fence")
    )


@given(st.text(alphabet=st.sampled_from("ab1 \n\t`*_{}[]()<>#+-.!|~&$@=:\\/^'\"😀;x"), max_size=60))
def test_escaped_text_is_only_text(text: str) -> None:
    kinds = {token.type for token in tokens_of(escaped(text))}
    assert kinds <= SHOWN | {"text_special"}, escaped(text)


def test_an_evil_text_is_shown_as_it_is() -> None:
    tokens = tokens_of(escaped(EVIL))
    assert {token.type for token in tokens} <= SHOWN | {"text_special"}
    shown = plain(escaped(EVIL))
    for part in (
        "![x](http://evil.example/?q=1)",
        "<script>alert(1)</script>",
        "# heading",
        "1. item",
        "&amp;",
    ):
        assert part in shown
    assert "\x1b" not in shown
    assert "http://" not in escaped(EVIL)  # nor does it become a link by itself
    assert "www.evil" not in escaped(EVIL)


def test_markdown_has_questions_answers_and_sources_as_footnotes(begin: Begin) -> None:
    chat = begin("It eats “fish, frogs and voles” [1], [9] and *more*.", name="Birds & trees")
    chat.ask("What does\nthe heron eat?")
    text = chat.export("markdown")
    assert text.startswith("# Birds \\& trees\n\n## What does the heron eat?\n")
    assert "It eats “fish, frogs and voles [^1-1]” [^1-1], \\[9\\] and \\*more\\*." in text
    (footnote,) = [line for line in text.splitlines() if line.startswith("[^1-1]: ")]
    assert "[heron.md, Herons](<file:///" in footnote
    assert footnote.endswith("heron.md>): “fish, frogs and voles”")


def test_an_evil_document_puts_nothing_into_markdown(begin: Begin, library: Library, documents: Path) -> None:
    (documents / "evil [x](y).md").write_text(f"Herons again.\n\n{EVIL}\n", encoding="utf-8")
    library.add(documents)
    line = "![x](http://evil.example/?q=1) <script>alert(1)</script> [a](b) `code` **bold** # no heading"
    chat = begin(f"“{line}”\n\n{EVIL}", name="<b>")
    answer = chat.ask("Which herons run a script with bold code?")
    assert answer.citations
    tokens = tokens_of(chat.export("markdown"))
    assert not {token.type for token in tokens} & {
        "image",
        "html_block",
        "html_inline",
        "code_inline",
        "fence",
    }
    links = [token.attrGet("href") for token in tokens if token.type == "link_open"]
    assert all(str(link).startswith("file:///") for link in links)
    assert not [token for token in tokens if token.type == "heading_open" and token.tag not in ("h1", "h2")]


def test_csv_has_a_row_for_every_turn_and_no_formula(begin: Begin) -> None:
    chat = begin('=HYPERLINK("http://evil.example")', "Two\nlines, “fish, frogs and voles”")
    chat.ask("+1 what does the heron eat?")
    chat.ask("And then?")
    header, first, second = list(csv.reader(io.StringIO(chat.export("csv"), newline="")))
    assert tuple(header) == COLUMNS
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in (first, second)]
    assert rows[0]["question"] == "'+1 what does the heron eat?"
    assert rows[0]["answer"].startswith("'=HYPERLINK")
    assert rows[1]["answer"].startswith("Two\nlines, “fish, frogs and voles [")
    assert rows[1]["sources"].endswith("] heron.md, Herons")
    assert rows[1]["quotes"].endswith("] “fish, frogs and voles”")


@pytest.mark.parametrize("cell", ["=1", " =1", "+1", "-1", "@x", "\t=1", "\n+1", "\ufeff=1", "＝1", "\x0b=1"])
def test_a_cell_that_could_be_a_formula_is_guarded(cell: str) -> None:
    assert guarded(cell).startswith("'")


@given(st.text(max_size=20))
def test_a_guarded_cell_begins_with_no_sign_of_a_formula(cell: str) -> None:
    assert guarded(cell).lstrip("\u00a0 ")[:1] not in {"=", "+", "-", "@", "\t", "\r", "\n"}


def test_json_has_all(begin: Begin) -> None:
    chat = begin("It eats “fish, frogs and voles”.")
    chat.ask("What does the heron eat?")
    content = json.loads(chat.export("json"))
    assert content["name"] == "What does the heron eat?"
    (turn,) = content["turns"]
    assert turn["question"] == "What does the heron eat?"
    assert turn["answer"]["citations"][0]["quote"] == "fish, frogs and voles"


def test_a_redacted_turn_says_so_in_every_form(begin: Begin, library: Library) -> None:
    chat = begin("It eats “fish, frogs and voles”.")
    chat.ask("What does the heron eat?")
    library.remove("heron.md")
    for form in ("markdown", "csv", "json"):
        text = chat.export(form)
        assert "it rested on a document that was removed" in text
        assert "voles" not in text


def test_forms_are_known_by_the_ends_of_names() -> None:
    assert [form_of(name) for name in ("a.md", "b.c.JSON", "x.csv")] == ["markdown", "json", "csv"]
    for name in ("a.txt", "md", ""):
        with pytest.raises(UsageError, match=r"end it in \.md"):
            form_of(name)
    with pytest.raises(UsageError, match="'html'"):
        exported("x", (), "html")  # type: ignore[arg-type]


@pytest.mark.parametrize("conversations", [True, False])
def test_an_exported_library_carries_conversations_if_wished(
    begin: Begin, library: Library, tmp_path: Path, *, conversations: bool
) -> None:
    begin("The wuzzlefink knows “fish, frogs and voles”.", name="quibblesnark").ask("frobnicator?")
    file = library.export(tmp_path / "birds.zip", conversations=conversations)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["birds.zip", "documents", "library"]
    with Library.import_(file, tmp_path / "elsewhere", settings=SETTINGS) as copy:
        assert copy.verify(repair=False).ok
        found = [(one.name, one.turns) for one in copy.conversations()]
        assert found == ([("quibblesnark", 1)] if conversations else [])
        assert copy.search("heron")[0].path == "heron.md"
        if conversations:
            (turn,) = copy.chat(1).turns
            assert turn.answer.citations[0].quote == "fish, frogs and voles"
    for word in ("wuzzlefink", "quibblesnark", "frobnicator"):
        assert bool(files_with(word, tmp_path / "elsewhere")) is conversations
    assert library.conversations()[0].name == "quibblesnark"

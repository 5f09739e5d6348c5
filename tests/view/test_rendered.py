"""Rendered Markdown: the highlight is on the source's characters, or there is no rendered form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.answer.sentences import sentences
from openbook.read import read_bytes
from openbook.serve.view.highlight import Highlight
from openbook.serve.view.rendered import LARGEST, rendered_view
from openbook.types import Document
from tests.view.browsing import Seen

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "documents"
SOURCES = (
    "Plain words ", "**bold words** ", "*slanted* ", "`code x` ", "[a link](https://example.org/path) ",
    "\n\n", "\n", "# Heading\n", "- item one\n", "1. first\n2. second\n", "> quoted\n",
    "| a | b |\n| --- | --- |\n| c | d |\n",
    "```python\nprint(1)\n```\n", "&amp; ", "<b>html</b> ", "![image](x.png) ", "end. ", "~~gone~~ ",
    "\\* ", "(in brackets) ",
)  # fmt: skip


def markdown(text: str) -> Document:
    return read_bytes(text.encode("utf-8"), "a.md")


def marked(text: str, quote: str) -> str:
    """What is marked in the rendered form when `quote` is cited; fails if there is no rendered form."""
    start = text.index(quote)
    html = rendered_view(markdown(text), [Highlight(start, start + len(quote), 1)])
    assert html is not None
    return Seen(html).marked_text(1)


def letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


def test_markup_goes_and_the_words_are_marked() -> None:
    assert marked("One **two** three. Four.", "One **two** three.") == "One two three."
    assert marked("One **two** three.", "two** three") == "two three"
    assert marked("# A heading\n\ntext", "# A heading") == "A heading"
    assert marked("- one\n- two (2)\n- three", "- two (2)") == "two (2)"
    assert marked("1. one\n2. two\n", "2. two") == "two"
    assert marked(
        "See [the page](https://example.org/x). Then go.", "See [the page](https://example.org/x)."
    ) == ("See the page.")
    assert marked("a `x < 1 & y` b", "`x < 1 & y`") == "x < 1 & y"
    assert marked("“Quoted,” he said. Yes.", "“Quoted,” he said.") == "“Quoted,” he said."
    assert marked("| a | b |\n| --- | --- |\n| c c | d |\n| e | f |", "| c c | d |") == "c cd"


def test_of_equal_sentences_the_cited_one_is_marked() -> None:
    text = "It is so.\n\nIt is so.\n\nIt is so."
    html = rendered_view(markdown(text), [Highlight(11, 20, 1)])
    assert html is not None
    assert Seen(html).marked[1] == list(range(10, 19))


def test_code_is_marked_with_its_tags_and_numbers() -> None:
    text = "```html\n<div>text</div>\n1. one\n```\n"
    assert marked(text, "<div>text</div>") == "<div>text</div>"
    assert marked(text, "1. one") == "1. one"


def test_what_cannot_be_seen_has_no_rendered_form() -> None:
    text = "---\ntitle: Hidden\n---\n\n<!-- a secret remark -->\n\nSee [it](https://example.org/secret) now."
    document = markdown(text)
    for quote in ("Hidden", "secret remark", "example.org", "---\n\n<!--"):
        start = text.index(quote)
        assert rendered_view(document, [Highlight(start, start + len(quote))]) is None
    assert rendered_view(document, []) is not None


def test_other_formats_and_large_documents_have_no_rendered_form() -> None:
    assert rendered_view(Document("a.txt", "# text", "text/plain"), []) is None
    assert rendered_view(Document("a.md", "x" * (LARGEST + 1), "text/markdown"), []) is None


def test_publishing_markup_is_left_out() -> None:
    text = "# Joins {#sec-joins .x}\n\n::: {.callout-note}\nA remark.\n:::\n\n```{r}\nx <- {1}\n```\n"
    html = rendered_view(markdown(text), [Highlight(text.index("A remark"), text.index("A remark") + 9)])
    assert html is not None
    seen = Seen(html)
    assert ":::" not in seen.text
    assert "sec-joins" not in seen.text
    assert "x <- {1}" in seen.text
    assert seen.marked_text(1) == "A remark."


def test_crossing_highlights_keep_their_own_characters() -> None:
    text = "one **two three** four"
    html = rendered_view(markdown(text), [Highlight(0, 9, 1), Highlight(6, 22, 2)])
    assert html is not None
    seen = Seen(html)
    assert (seen.marked_text(1), seen.marked_text(2)) == ("one two", "two three four")


@given(st.lists(st.sampled_from(SOURCES), max_size=10), st.integers(0, 200), st.integers(1, 60))
def test_a_highlight_has_letters_of_its_stretch_only_and_changes_nothing_else(
    parts: list[str], start: int, length: int
) -> None:
    text = "".join(parts)
    document = Document("a.md", text, "text/markdown")
    html = rendered_view(document, [Highlight(start, start + length, 1)])
    if html is None:
        return
    seen = Seen(html)
    stretch = iter(letters(text[start : start + length]))
    assert all(letter in stretch for letter in letters(seen.marked_text(1)))
    plain = rendered_view(document, [])
    assert plain is not None
    assert seen.text == Seen(plain).text


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.md")), ids=lambda path: path.name)
def test_sentences_of_the_examples_are_marked_exactly(path: Path) -> None:
    document = read_bytes(path.read_bytes(), path.name)
    body = document.text.index("# ")
    count = 0
    for sentence in sentences(document.text):
        if sentence.start >= body:
            quote = document.text[sentence.start : sentence.end]
            html = rendered_view(document, [Highlight(sentence.start, sentence.end, 1)])
            assert html is not None, quote
            assert letters(Seen(html).marked_text(1)) == letters(re.sub(r"^\d+\. ", "", quote))
            count += 1
    assert count > 15

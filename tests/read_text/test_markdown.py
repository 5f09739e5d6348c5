"""Markdown: headings that are headings, code and tables, front matter, and very long files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from openbook.errors import UnsupportedFile
from openbook.read import read_bytes
from openbook.read.markdown import MarkdownReader, find_marks
from openbook.read.markdown_labels import fence_language, plain_label
from openbook.read.markdown_lines import scan_lines
from openbook.read.metadata import read_front_matter
from openbook.types import Document, Mark


def read(text: str, path: str = "notes.md") -> Document:
    """A document from Markdown source."""
    return MarkdownReader().read(text.encode(), path)


def headings(document: Document) -> list[tuple[int, str]]:
    """Level and label of every heading."""
    return [(mark.level, mark.label) for mark in document.marks if mark.kind == "heading"]


def test_headings_of_both_kinds() -> None:
    document = read(
        "# One #\ntext\n\nTwo\nlines\n===\n\nThree\n---\n\n###### Six ######\n####### seven\n#no\n"
    )
    assert headings(document) == [(1, "One"), (1, "Two lines"), (2, "Three"), (6, "Six")]
    spans = [document.text[mark.start : mark.end] for mark in document.marks]
    assert spans == ["# One #", "Two\nlines\n===", "Three\n---", "###### Six ######"]


@pytest.mark.parametrize(
    "source",
    [
        "```\n# no\n```",
        "```{r}\n#| label: x\n# no\n```",
        "~~~~\n```\n# no\n~~~~",
        "````md\n```\n# no\n```\n````",
        "    # no",
        "- item\n\n      # no\n",
        "<!--\n# no\n-->",
        "Text <!-- and\n\n# no\n\n-->",
        "<pre>\n# no\n</pre>",
        "<script>\n# no\n</script>",
        "> # no",
        "\\# no",
        "```\n# never closed",
        "::: callout-note\n## a box\n:::",
        "::: {.callout-tip}\n::: inner\n# no\n:::\n# no\n:::",
    ],
)
def test_what_looks_like_a_heading_and_is_none(source: str) -> None:
    assert headings(read(f"{source}\n")) == []
    assert headings(read(f"# Before\n\n{source}\n"))[0] == (1, "Before")


def test_a_section_in_a_div_and_one_after_a_callout_count() -> None:
    source = "::: callout-note\n## box\n:::\n\n::: {.panel}\n## Inside\n:::\n\n## After\n"
    assert headings(read(source)) == [(2, "Inside"), (2, "After")]


def test_code_in_backticks_that_looks_like_a_comment_hides_nothing() -> None:
    assert headings(read("Write `<!--` for it.\n\n# Yes\n\nand `-->` ends it.\n")) == [(1, "Yes")]


def test_headings_in_html() -> None:
    document = read(
        '<h1 align="center">The <b>River</b> &amp; me</h1>\n\n<div>\n<h3>Low\nwater</h3>\n</div>\n'
    )
    assert headings(document) == [(1, "The River & me"), (3, "Low water")]
    assert document.title == "The River & me"


@pytest.mark.parametrize(
    ("source", "label"),
    [
        ("**Joins** with `dplyr` {#sec-joins}", "Joins with dplyr"),
        ("Numbers {#sec-n .unnumbered}", "Numbers"),
        ("Preface {-}", "Preface"),
        ("Sets {a, b}", "Sets {a, b}"),
        ("[Link *here*](http://a.b/c_d) and ![alt](x.png)", "Link here and alt"),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
        ("C# and C++", "C# and C++"),
        (r"Less \< more &amp; \*stars\*", "Less < more & *stars*"),
        ("[[Page|Wiki link]] and [[Other]]", "Wiki link and Other"),
        ("Text[^1] {{< fa star >}}", "Text"),
        ("[small]{.smallcaps} words", "small words"),
        ("~~old~~ new <br> <kbd>Ctrl</kbd>", "old new Ctrl"),
        ("`{r}` chunks", "{r} chunks"),
        ("", ""),
    ],
)
def test_labels_are_words_without_markup(source: str, label: str) -> None:
    assert plain_label(source) == label


@pytest.mark.parametrize(
    ("info", "language"),
    [
        ("r", "r"), ("{r}", "r"), ("{r, echo = FALSE}", "r"), ("{r setup, include=FALSE}", "r"),
        ("{.python .numberLines}", "python"), ("{=html}", "html"), ("Python title='x'", "python"),
        ("c++", "c++"), ("c#", "c#"), ("js{1,3}", "js"), ("", ""), (" yaml ", "yaml"),
    ],
)  # fmt: skip
def test_languages_of_fences(info: str, language: str) -> None:
    assert fence_language(info) == language


def test_code_and_tables_are_marked() -> None:
    table = "| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 | x \\| y |"
    document = read(
        f"Text\n\n```{{r}}\n1 + 1\n```\n\n{table}\n\n- item\n\n  ```sh\n  ls\n  ```\n\n    code\n"
    )
    found = [(mark.kind, mark.label, document.text[mark.start : mark.end]) for mark in document.marks]
    assert found[0] == ("code", "r", "```{r}\n1 + 1\n```")
    assert found[1] == ("table", "| a | b |", table)
    assert found[2] == ("code", "sh", "  ```sh\n  ls\n  ```")


def test_indented_text_is_no_code_in_mdx() -> None:
    source = "import X from 'x'\n\n<X>\n\n    # Yes\n\n</X>\n"
    assert [mark.kind for mark in read(source, "page.md").marks] == ["code"]
    assert [mark.kind for mark in read(source, "page.mdx").marks] == ["heading"]


def test_the_text_is_the_file_front_matter_included() -> None:
    source = "---\ntitle: The River\nauthor: Ann\ndate: 2024-03-01\ntags: [a, b]\n---\n\n# Storks\n"
    document = read(source)
    assert document.text == source
    assert document.title == "The River"
    assert document.metadata == {
        "title": "The River", "author": "Ann", "date": "2024-03-01", "created": "2024-03-01", "tags": "a, b",
    }  # fmt: skip
    assert headings(document) == [(1, "Storks")]


def test_titles_come_from_the_best_place() -> None:
    assert read("## Two\n\n# One\n").title == "One"
    assert read("text\n\n## Two\n\n### Three\n").title == "Two"
    assert read("only text\n", "the_river-2024.v2.md").title == "the river 2024 v2"
    assert read("---\nTitle: Upper\n---\n# One\n").title == "Upper"


def test_binary_content_is_refused() -> None:
    with pytest.raises(UnsupportedFile, match="looks binary"):
        MarkdownReader().read(bytes(range(256)), "notes.md")


def test_a_comment_of_one_line_does_not_hide_what_follows_in_a_long_file() -> None:
    marks = list(scan_lines("<!-- one -->\n# Yes\n\n<!--\n# no\n-->\n\n## Also\n"))
    assert [mark.label for mark in marks] == ["Yes", "Also"]


def test_the_scan_of_long_files_agrees_with_the_parser_on_a_book(data: Path) -> None:
    """Headings and tables equal; code too but for fences in lists that CommonMark does not know ("a. ")."""
    for file in sorted((data / "r4ds").glob("*.qmd")):
        text = file.read_text(encoding="utf-8")
        start = read_front_matter(text).end
        parsed = set(find_marks(text, start))
        scanned = set(scan_lines(text, start))
        callouts = {mark for mark in scanned - parsed if mark.kind == "heading"}
        assert all("callout" in text[max(0, mark.start - 40) : mark.start] for mark in callouts), file.name
        assert {m for m in parsed - scanned if m.kind != "code" or m.label} == set(), file.name
        extra = [mark for mark in scanned - parsed - callouts if mark.kind != "code"]
        assert extra == [], file.name


def test_a_file_beyond_the_parser_has_the_same_headings(data: Path) -> None:
    """The book many times over is scanned by lines; each copy has the marks of one, moved."""
    text = (data / "r4ds" / "joins.qmd").read_text(encoding="utf-8").rstrip("\n") + "\n\n"
    copies = 1_000_000 // len(text) + 1
    once = [mark for mark in find_marks(text) if mark.kind == "heading"]
    many = [mark for mark in find_marks(text * copies) if mark.kind == "heading"]
    assert len(many) == copies * len(once)
    last = len(text) * (copies - 1)
    moved = [Mark(m.kind, m.start - last, m.end - last, m.label, m.level) for m in many[-len(once) :]]
    assert moved == once


def test_the_headings_of_a_book_in_quarto(data: Path) -> None:
    """Every line that starts with # outside of code is a heading, and nothing in code is one."""
    found = 0
    for file in sorted((data / "r4ds").glob("*.qmd")):
        document = read_bytes(file.read_bytes(), file.name)
        code = [mark for mark in document.marks if mark.kind == "code"]
        for mark in document.marks:
            if mark.kind == "heading":
                assert not any(block.start <= mark.start < block.end for block in code)
                assert re.match(r"#{1,6} \S", document.text[mark.start : mark.end])
                assert "{#" not in mark.label
                assert "\n" not in mark.label
                found += 1
        assert document.language == "en"
        assert document.title
        assert document.media_type == "text/markdown"
        assert document.text == file.read_text(encoding="utf-8")
    assert found == 578

"""How places and texts are shown on a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openbook.cli.flowing_text import flowing
from openbook.snippets import highlights, place_name, snippet
from openbook.wording import one_line, printable


def shown(text: str, *words: str) -> list[str]:
    return [text[start:end] for start, end in highlights(text, words)]


def test_other_endings_of_a_word_are_highlighted_and_other_words_are_not() -> None:
    text = "Joining two tables: a join keeps rows. Jointly owned tabloids."
    assert shown(text, "join", "table") == ["Joining", "tables", "join", "Jointly"]
    assert shown(text, "own") == ["owned"]
    assert shown("at a cat", "at") == ["at"]


def test_scripts_without_blanks_are_highlighted_inside_longer_words() -> None:
    assert shown("請假規定如下", "規定") == ["規定"]


def test_places() -> None:
    assert place_name("paper.pdf", "p. 7, Results", "Results", 7) == "paper.pdf, p. 7, Results"
    assert place_name("joins.qmd", "", "Keys > Primary keys", None) == "joins.qmd, Keys › Primary keys"
    assert place_name("paper.pdf", "", "", 7) == "paper.pdf, p. 7"
    assert place_name("notes.txt", "", "", None) == "notes.txt"


def test_a_snippet_shows_the_matched_words() -> None:
    text = "padding " * 100 + "the parking permit costs nothing " + "padding " * 100
    found = snippet(text, ("parking", "permit"))
    assert "parking permit" in found
    assert found.startswith("… ")
    assert found.endswith(" …")


@given(st.text(max_size=900), st.lists(st.text(min_size=1, max_size=5), max_size=3), st.integers(60, 400))
def test_a_snippet_is_a_stretch_of_the_text_and_not_much_longer_than_asked(
    text: str, words: list[str], limit: int
) -> None:
    found = snippet(text, tuple(words), limit=limit)
    inner = found.removeprefix("… ").removesuffix(" …")
    assert inner.strip() in one_line(text)
    assert len(found) <= limit + 4


@given(st.text(max_size=200))
def test_printed_text_cannot_steer_a_terminal(text: str) -> None:
    safe = printable(text)
    assert not any(ord(c) < 32 and c not in "\t\n" for c in safe)
    assert not any(0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066\u200f" for c in safe)


def test_control_characters_are_shown() -> None:
    assert printable("\x1b[31mred\x1b[0m\u202e") == "\\x1b[31mred\\x1b[0m\\u202e"


def test_paragraphs_flow_and_lines_that_mean_something_stay() -> None:
    kept = "- first\n- second\n  more\n\n| a | b |\n| c | d |\n\n```r\nx <- 1\ny\n```\n"
    text = f"One sentence over\ntwo lines.\n\n{kept}end\nof it"
    assert flowing(text) == f"One sentence over two lines.\n\n{kept}end of it"
    wrapped = (
        "a list item whose marker is not quoted and that was wrapped by its author\n   after so many words"
    )
    assert "\n" not in flowing(wrapped)
    assert flowing("def f():\n    return 1") == "def f():\n    return 1"
    assert flowing("**Bold** words\n*and* more") == "**Bold** words *and* more"

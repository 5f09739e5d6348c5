"""Laws of reading text: nothing is lost, nothing is invented, and places are exact."""

from __future__ import annotations

import codecs
import re

from hypothesis import given
from hypothesis import strategies as st

from openbook.errors import ReadError, UnsupportedFile
from openbook.read import kinds, read_bytes
from openbook.read.decoding import decode
from openbook.read.language import detect_language
from openbook.read.markdown import find_marks
from openbook.read.markdown_lines import scan_lines
from openbook.read.metadata import read_front_matter, title_from_path
from openbook.types import Mark

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff\0")
TEXT = st.text(CHARACTERS, max_size=300)
WORDS = st.text("abc xyz éü", min_size=1, max_size=30).map(lambda words: "w" + " ".join(words.split()))

HEADINGS = st.builds(
    lambda level, words: ("heading", f"{'#' * level} {words}", words, level), st.integers(1, 6), WORDS
)
UNDERLINED = st.builds(
    lambda words, line: ("heading", f"{words}\n{line}", words, 1 if "=" in line else 2),
    WORDS,
    st.sampled_from(["====", "--"]),
)
FENCES = st.builds(
    lambda marks, words, inside: ("code", f"{marks}{words}\n{inside}\n{marks}", words, 0),
    st.sampled_from(["```", "~~~~"]),
    st.sampled_from(["", "r", "python"]),
    st.sampled_from(["# no", "x\n\n# no", "|a|\n|-|", ""]),
)
TABLES = st.integers(1, 3).map(
    lambda rows: ("table", "\n".join(["| a | b |", "|---|---|", *["| 1 | 2 |"] * rows]), "| a | b |", 0)
)
OTHERS = st.sampled_from(
    ["plain words\nover two lines", "<!--\n# no\n-->", "- item\n- item", "> # quoted", "* * *", "#no heading"]
).map(lambda source: ("", source, "", 0))
BLOCKS = st.lists(st.one_of(HEADINGS, UNDERLINED, FENCES, TABLES, OTHERS), max_size=8)


def normalised(text: str) -> str:
    """What reading may change."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@given(TEXT, st.sampled_from(["UTF8", "UTF16_LE", "UTF16_BE", "UTF32_LE", "UTF32_BE"]))
def test_marked_text_comes_back(text: str, form: str) -> None:
    encoding = form.replace("_", "-").replace("UTF", "utf-").lower()
    decoded = decode(getattr(codecs, f"BOM_{form}") + text.encode(encoding), "notes.txt")
    assert (decoded.text, decoded.encoding) == (normalised(text), encoding)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"), max_size=300))
def test_utf8_comes_back_whatever_it_says(text: str) -> None:
    decoded = decode(text.encode(), "notes.txt")
    assert (decoded.text, decoded.encoding) == (text, "utf-8")


@given(st.binary(max_size=500))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    try:
        decoded = decode(data, "notes.txt")
    except UnsupportedFile:
        return
    decoded.text.encode()
    assert "\0" not in decoded.text
    assert "\r" not in decoded.text


SOUND = "Die Störche kehren über den Fluss zurück, wo früher Bäume waren."


@given(st.integers(1, len(SOUND)), st.lists(st.sampled_from(b"\xff\xfe\xc0\xf8"), min_size=1, max_size=4))
def test_damage_costs_only_itself(place: int, noise: list[int]) -> None:
    """Bytes that UTF-8 never has, anywhere but at the start, where they might be a byte order mark."""
    data = SOUND[:place].encode() + bytes(noise) + SOUND[place:].encode()
    assert decode(data, "notes.txt").text == SOUND[:place] + "\ufffd" * len(noise) + SOUND[place:]


@given(BLOCKS)
def test_blocks_are_marked_where_they_stand(blocks: list[tuple[str, str, str, int]]) -> None:
    """Every block that was put in is found, with its label and its exact place; and nothing else is."""
    text, expected = "", []
    for kind, source, label, level in blocks:
        if kind:
            expected.append((kind, len(text), len(text) + len(source), label, level))
        text += source + "\n\n"
    found = [(mark.kind, mark.start, mark.end, mark.label, mark.level) for mark in find_marks(text)]
    assert found == expected
    scanned = [(mark.kind, mark.start, mark.end, mark.label, mark.level) for mark in scan_lines(text)]
    assert scanned == expected


@given(BLOCKS, WORDS)
def test_what_stands_in_front_moves_marks_and_changes_nothing(
    blocks: list[tuple[str, str, str, int]], words: str
) -> None:
    text = "".join(f"{source}\n\n" for _, source, _, _ in blocks)
    before = f"---\ntitle: {words}\n---\n\n{words}\n\n"
    moved = [
        Mark(mark.kind, mark.start + len(before), mark.end + len(before), mark.label, mark.level)
        for mark in find_marks(text)
    ]
    assert list(find_marks(before + text, read_front_matter(before + text).end)) == moved


@given(st.text(max_size=200), st.sampled_from(["---", "+++"]))
def test_front_matter_never_raises(source: str, fence: str) -> None:
    text = f"{fence}\n{source}\n{fence}\nbody"
    front_matter = read_front_matter(text)
    assert 0 <= front_matter.end <= len(text)
    assert all(isinstance(value, str | int | float | bool) for value in front_matter.metadata.values())
    assert all("\0" not in str(value) for value in front_matter.metadata.values())


@given(TEXT)
def test_a_language_is_a_code_of_two_letters_or_open(text: str) -> None:
    code = detect_language(text)
    assert re.fullmatch(r"[a-z]{2}|", code)
    assert detect_language(text) == code


@given(st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=60))
def test_every_path_has_a_title_and_an_answer(path: str) -> None:
    title_from_path(path).encode()
    assert kinds.is_supported(path) <= (not kinds.unsupported_reason(path))


@given(st.binary(max_size=200), st.sampled_from(["", ".txt", ".md", ".xyz", ".mdx", ".log"]))
def test_reading_ends_in_a_document_or_a_read_error(data: bytes, suffix: str) -> None:
    try:
        document = read_bytes(data, f"file{suffix}")
    except ReadError as error:
        assert str(error)  # noqa: PT017 (a message is part of the promise)
        return
    assert document.title
    (document.text + document.title).encode()
    for mark in document.marks:
        assert 0 <= mark.start <= mark.end <= len(document.text)

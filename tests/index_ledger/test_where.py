"""Filters: what they mean, what they refuse, and that they are never pasted into SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from openbook.errors import UsageError
from openbook.index.where import Condition, parse_where

if TYPE_CHECKING:
    from tests.index_ledger.conftest import Shelf


@pytest.mark.parametrize(
    ("expression", "parsed"),
    [
        ("path=joins*", Condition("path", "=", "joins*")),
        ("  Page  <=  10 ", Condition("page", "<=", "10")),
        ("page<10", Condition("page", "<", "10")),
        ("modified>=2024-01-01", Condition("modified", ">=", "2024-01-01")),
        ("language!=en", Condition("language", "!=", "en")),
        ("title~a=b", Condition("title", "~", "a=b")),
        ("Due date>2024", Condition("meta.Due date", ">", "2024")),
        ("meta.title=x", Condition("meta.title", "=", "x")),
        ("author=", Condition("meta.author", "=", "")),
        ("path=a\nb", Condition("path", "=", "a\nb")),
    ],
)
def test_parsing(expression: str, parsed: Condition) -> None:
    assert parse_where([expression]) == (parsed,)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "not understood"),
        ("path", "not understood"),
        ("=x", "not understood"),
        ("page<ten", "expected a number"),
        ("page<", "is a number"),
        ("page~1", "is a number"),
        ("page<1,2", "expected a number"),
        ("document=1,,2", "expected a number"),
        ("page<nan", "expected a number"),
        ("modified>yesterday", "expected a date"),
        ("modified=2024-1-5", "expected a date"),
        ("meta.=x", "names no metadata key"),
    ],
)
def test_what_cannot_hold_is_refused_with_the_expression(expression: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        parse_where([expression])
    assert repr(expression) in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "stored", "expected"),
    [
        # text: case, wildcards, their escapes
        ("a=Straße", "STRASSE", True),
        ("a=caf\u00e9", "Cafe\u0301", True),
        ("a=ab", "abc", False),
        ("a=a*c", "aBBc", True),
        ("a=a?c", "abc", True),
        ("a=a?c", "ac", False),
        ("a=a\\*c", "a*c", True),
        ("a=a\\*c", "abc", False),
        ("a=a[bc]", "ab", False),
        ("a=a.c", "abc", False),
        ("a=a*", "a\nb", True),
        ("a~OIN", "the joins", True),
        ("a~*", "a*b", True),
        ("a~*", "ab", False),
        ("a!=ab", "AB", False),
        ("a!=ab", "abc", True),
        # numbers are numbers, whatever they are stored as
        ("a<10", 9, True),
        ("a<10", "9", True),
        ("a<10", 9.99, True),
        ("a>9", "10", True),
        ("a=7", 7.0, True),
        ("a=7.0", 7, True),
        ("a=1e3", 1000, True),
        ("a=20*", 2024, True),
        ("a>5", "many", True),  # text with text, as nothing else is possible
        ("a>many", 5, False),
        # dates only as far as written
        ("a=2024", "2024-05-01", True),
        ("a=2024-05", "2024-05-31T23:59:59Z", True),
        ("a<=2024-05", "2024-05-31", True),
        ("a<2024-05", "2024-05-31", False),
        ("a>2024-05-01", "2024-05-01T12:00", False),
        ("a>=2024-05-01", "2024", False),
        ("a=2024", 2024, True),
        ("a>2024-05-01T12:00Z", "2024-05-01T13:30:00+02:00", False),
        ("a<2024-05-01T12:00Z", "2024-05-01T13:30:00+02:00", True),
        ("a=2024-05-01", "2024-05-01T23:30:00-05:00", True),
        ("a<2025-13-40T00:00Z", "2024-05-01T00:00Z", True),  # no such day, but no crash either
        # truth values
        ("a=true", True, True),
        ("a=TRUE", False, False),
        ("a=1", True, False),
        ("a<5", True, False),
        # absence
        ("a=", None, True),
        ("a=", "", True),
        ("a!=", None, False),
        ("a!=", "x", True),
        ("a=x", None, False),
        ("a!=x", None, True),
        ("a<5", None, False),
        ("a~x", None, False),
    ],
)
def test_what_matches(expression: str, stored: str | float | bool | None, expected: bool) -> None:
    (condition,) = parse_where([expression])
    assert condition.matches(stored) is expected


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("joins*", "chapters/Joins.qmd", True),
        ("joins*", "joins/intro.qmd", True),
        ("joins.qmd", "chapters/joins.qmd", True),
        ("chapters", "chapters/joins.qmd", False),
        ("chapters/*", "chapters/deep/joins.qmd", True),
        ("joins/*", "chapters/joins/a.qmd", False),
        ("*/joins/*", "chapters/joins/a.qmd", True),
    ],
)
def test_a_path_pattern_without_a_slash_also_means_the_files_own_name(
    pattern: str, path: str, expected: bool
) -> None:
    (condition,) = parse_where([f"path={pattern}"])
    assert condition.matches(path) is expected


@pytest.mark.parametrize(
    ("pattern", "stored", "expected"),
    [
        ("a*b*c", "abc", True),
        ("a*b*c", "a b b c c", True),
        ("a*b*c", "a c b", False),
        ("*ab*ab", "abab", True),
        ("*ab*ab", "ab", False),
        ("*ab*ab", "aab", False),
        ("a*a", "a", False),
        ("?*?", "ab", True),
        ("?*?", "a", False),
        ("*?b*", "b", False),
        ("*?b*", "bb", True),
        ("**", "", True),
        (r"\**\*", "*x*", True),
    ],
)
def test_pieces_between_stars_stand_in_their_order(pattern: str, stored: str, expected: bool) -> None:
    assert parse_where([f"author={pattern}x"])[0].matches(f"{stored}x") is expected


def test_many_pieces_between_stars_are_not_tried_in_every_way() -> None:
    (condition,) = parse_where(["title=" + "*a" * 40 + "*b"])
    assert not condition.matches("a" * 5_000)
    assert condition.matches("a" * 5_000 + "b")


def test_many_stars_take_no_longer_than_one() -> None:
    (condition,) = parse_where(["a=" + "*" * 200 + "b"])
    assert not condition.matches("a" * 5000)


@pytest.fixture
def library(shelf: Shelf) -> Shelf:
    """Four documents with different facts."""
    shelf.put("book/joins.qmd", "one\n\ntwo\n\nthree", title="Joins", language="en", metadata={"year": 2020})
    shelf.put("book/dates.qmd", "four\n\nfive", title="Dates", language="en", metadata={"Author": "Ann"})
    shelf.put("notes.txt", "sechs", title="Notizen", language="de", metadata={"year": "2019", "ok": True})
    shelf.put("empty.txt", "", title="Nothing", language="en")
    return shelf


@pytest.mark.parametrize(
    ("where", "texts"),
    [
        ([], ["one", "two", "three", "four", "five", "sechs"]),
        (["path=joins*"], ["one", "two", "three"]),
        (["path=*.qmd", "page<2"], ["one", "four"]),
        (["page>=2"], ["two", "three", "five"]),
        (["page!=1", "language=EN"], ["two", "three", "five"]),
        (["page=2.5"], []),
        (["heading=part 1"], ["two", "five"]),
        (["place~3"], ["three"]),
        (["year<2020"], ["sechs"]),
        (["author=ANN"], ["four", "five"]),
        (["author="], ["one", "two", "three", "sechs"]),
        (["ok=true"], ["sechs"]),
        (["title!=Joins", "language=en"], ["four", "five"]),
        (["type=text/*", "source=/somewhere", "characters>10"], ["one", "two", "three"]),
        (["modified=2023-11-14"], ["one", "two", "three", "four", "five", "sechs"]),
        (["modified<2023"], []),
        (["added>2020"], ["one", "two", "three", "four", "five", "sechs"]),
        (["document=2"], ["four", "five"]),
        (["document=2,3"], ["four", "five", "sechs"]),
        (["document=3, 1", "page>=2"], ["two", "three"]),
        (["document=2,1e999"], ["four", "five"]),
        (["document!=2,3"], ["one", "two", "three"]),
        (["page!=1,2"], ["three"]),
        (["document!="], ["one", "two", "three", "four", "five", "sechs"]),
        (["unheard-of=1"], []),
    ],
)
def test_conditions_choose_chunks(library: Shelf, where: list[str], texts: list[str]) -> None:
    ids = library.ledger.select_chunk_ids(parse_where(where))
    assert ids.dtype.kind == "i"
    assert sorted(ids.tolist()) == ids.tolist()
    assert [chunk.text for chunk in library.ledger.chunks(ids.tolist()).values()] == texts


def test_ranges_of_ids_survive_updates_and_removals(library: Shelf) -> None:
    library.put("book/joins.qmd", "new one\n\nnew two")
    library.ledger.remove_documents([2])
    ids = library.ledger.select_chunk_ids(parse_where(["path=*"])).tolist()
    assert [library.ledger.chunks([i])[i].text for i in ids] == ["sechs", "new one", "new two"]


def test_documents_are_found_by_path(library: Shelf) -> None:
    assert [record.path for record in library.ledger.find_documents("*.TXT")] == ["empty.txt", "notes.txt"]
    assert [record.title for record in library.ledger.find_documents("book/joins.qmd")] == ["Joins"]
    assert library.ledger.find_documents("nobody") == []


INJECTIONS = [
    "x' OR '1'='1",
    "x'; DROP TABLE chunks; --",
    'x" OR 1=1 --',
    "x') UNION SELECT 1 --",
    "%",
    "_",
    "\0",
    "$.x",
    "'; ATTACH DATABASE '/tmp/evil' AS e; --",
]


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize(
    "template", ["path={}", "title~{}", "{}=1", "meta.{}~1", "author!={}", "heading={}", "a>{}"]
)
def test_filters_are_values_and_nothing_else(library: Shelf, template: str, text: str) -> None:
    expression = template.format(text)
    try:
        conditions = parse_where([expression])
    except UsageError:
        return
    chosen = library.ledger.select_chunk_ids(conditions)
    if "!=" not in template and conditions[0].operator != ">":
        assert chosen.size == 0
    assert library.ledger.counts().chunks == 6

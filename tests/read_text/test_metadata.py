"""Front matter: data within limits, and never the loss of a document."""

from __future__ import annotations

import pytest

from openbook.read.markdown import MarkdownReader
from openbook.read.metadata import choose_title, read_front_matter, scalars, title_from_path
from openbook.types import Mark, Scalar


def metadata(source: str) -> dict[str, Scalar]:
    """The metadata of front matter in a text that goes on behind it."""
    front_matter = read_front_matter(f"{source}\nText.\n")
    assert f"{source}\nText.\n"[front_matter.end :] == "Text.\n"
    return dict(front_matter.metadata)


def test_yaml_values_become_scalars() -> None:
    found = metadata(
        "---\ntitle: >\n  The\n  River\nauthors:\n  - name: Ann Reed\n    email: a@b.c\n  - Bo\nn: 3\n"
        "x: 1.5\ndraft: false\nupdated: 2024-03-01 12:30:00\nnested: {a: 1}\nempty:\n---"
    )
    assert found == {
        "title": "The River",
        "authors": "Ann Reed, Bo",
        "author": "Ann Reed, Bo",
        "n": 3,
        "x": 1.5,
        "draft": False,
        "updated": "2024-03-01T12:30:00",
        "modified": "2024-03-01T12:30:00",
    }


def test_toml_is_read_too() -> None:
    found = metadata('+++\ntitle = "River"\ndate = 2024-03-01T10:00:00Z\ntags = ["a", "b"]\n+++')
    assert found["title"] == "River"
    assert found["tags"] == "a, b"
    assert str(found["created"]).startswith("2024-03-01T10:00:00")


def test_dots_may_end_yaml() -> None:
    assert metadata("---\ntitle: River\n...") == {"title": "River"}


@pytest.mark.parametrize(
    "text",
    ["", "---\n", "--- \ntext", "---\ntitle: never closed\n", "----\na: 1\n---\n", "text\n---\na: 1\n---\n"],
)
def test_what_is_no_front_matter(text: str) -> None:
    assert read_front_matter(text).end == 0
    assert not read_front_matter(text).metadata


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("---\ntitle: [a\n---", "YAML in line"),
        ("---\na: b: c\n---", "YAML in line 2"),
        ("---\n- a\n- b\n---", "a mapping was expected, not list"),
        ("---\ndate: 2024-13-45\n---", "YAML: month must be in 1..12"),
        ("---\na: !!python/object:os.system x\n---", "could not determine a constructor"),
        ("---\na: " + "[" * 20_000 + "]" * 20_000 + "\n---", "nested more than 30 deep"),
        ("---\na: &x [1, 2]\nb: *x\n---", "aliases"),
        ("+++\na = \n+++", "TOML"),
    ],
)
def test_broken_front_matter_is_a_note(source: str, problem: str) -> None:
    found = metadata(source)
    assert set(found) == {"front_matter_problem"}
    assert problem in str(found["front_matter_problem"])


def test_broken_front_matter_costs_only_itself() -> None:
    document = MarkdownReader().read(b"---\ntitle: [a\n---\n# Storks\n", "a.md")
    assert document.title == "Storks"
    assert document.text.startswith("---\n")


def test_an_alias_bomb_is_refused_unopened() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 12)]
    found = metadata("---\n" + "\n".join(lines) + "\n---")
    assert found == {"front_matter_problem": "it uses YAML aliases, which are not followed"}


def test_stars_and_ampersands_in_words_are_no_aliases() -> None:
    assert metadata("---\ntitle: Salt & pepper\nnote: '*very* good'\n---") == {
        "title": "Salt & pepper",
        "note": "*very* good",
    }


def test_front_matter_has_a_largest_size() -> None:
    assert read_front_matter("---\na: " + "x" * 70_000 + "\n---\n").end == 0


def test_norwegian_is_no_falsehood() -> None:
    assert metadata("---\nlang: no\n---") == {"lang": "no"}


def test_values_that_are_no_scalars_or_too_long_are_left_out() -> None:
    found = scalars(
        {"long": "x" * 3000, "none": None, "map": {"a": 1}, "inf": float("inf"), 5: 2**70, "bad": "a\ud800"}
    )
    assert found == {"inf": "inf", "5": str(2**70), "bad": "a\ufffd"}


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("notes/data-import.qmd", "data import"),
        ("the_river.v2.txt", "the river v2"),
        ("README", "README"),
        (".hidden", "hidden"),
        ("日本.md", "日本"),
        ("a/---.md", "---.md"),
    ],
)
def test_titles_from_names(path: str, title: str) -> None:
    assert title_from_path(path) == title


def test_a_title_of_blanks_is_none() -> None:
    assert choose_title({"title": "  "}, [Mark("heading", 0, 3, "", 1)], "the-river.md") == "the river"

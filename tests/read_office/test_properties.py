"""Dates in every dialect, and titles that people would recognise."""

from __future__ import annotations

import pytest

from openbook.read.properties import document_title, iso_date, properties, readable_stem


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("2024-03-16T09:30:00Z", "2024-03-16T09:30:00Z"),
        ("2024-03-16", "2024-03-16"),
        ("D:20240316093000+01'00'", "2024-03-16T09:30:00+01:00"),
        ("D:20240316", "2024-03-16"),
        ("D:2024", "2024-01-01"),
        ("20240115120000Z", "2024-01-15T12:00:00Z"),
        ("Mon, 04 Mar 2024 10:00:00 +0100", "2024-03-04T10:00:00+01:00"),
        ("1910-00-13T11:41:91Z", ""),
        ("D:19100013114191", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_dates(written: str, iso: str) -> None:
    assert iso_date(written) == iso


@pytest.mark.parametrize(
    "title",
    ["", "Microsoft Word - x.doc", "Untitled", "untitled document", "PowerPoint Presentation",
     "report.indd", "Document1", "Normal.dotm", "12345", "()", "Title", "Book 1"],
)  # fmt: skip
def test_titles_that_no_person_wrote_give_way_to_the_first_heading(title: str) -> None:
    assert document_title({"title": title}, "The first heading", "a/b.pdf") == "The first heading"


def test_where_titles_come_from() -> None:
    assert document_title({"title": "Untitled bicycles"}, "Heading", "a.pdf") == "Heading"
    assert document_title({"title": "Documents of 1914"}, "Heading", "a.pdf") == "Documents of 1914"
    assert document_title({"subject": "Hello"}, "Attachment: x", "a.eml") == "Hello"
    assert document_title({}, "", "notes/price-list_2024.v2.xlsx") == "price list 2024 v2"
    assert readable_stem(".hidden") == "hidden"


def test_only_properties_worth_keeping_are_kept() -> None:
    raw = {
        "title": " A  title\x00",
        "authors": ["Ann", "Bob"],
        "created_at": "2024-01-01T00:00:00Z",
        "keywords": ["one", "two"],
        "page_count": 3,
        "is_encrypted": False,
        "app_properties": {"words": 5},
        "fonts": ["x"],
    }
    assert properties(raw) == {
        "title": "A title",
        "author": "Ann, Bob",
        "created": "2024-01-01T00:00:00Z",
        "keywords": "one, two",
        "page_count": 3,
    }

"""The page *Search*, in a browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.web.serving import DESKTOP, PHONE, Visit, contrast_problems


def test_results_come_as_one_types_with_their_words_marked(visit: Visit) -> None:
    page = visit("/search")
    expect(page.get_by_role("heading", name="Find a place in your documents")).to_be_visible()
    page.keyboard.type("brake pads")  # the field has the focus
    first = page.locator(".ob-hit").first
    expect(first).to_contain_text("repair-handbook.pdf")
    expect(first.locator("mark", has_text="pads").first).to_be_visible()
    expect(page.get_by_label("Search the documents")).to_have_value("brake pads")
    assert page.url.endswith("/search?q=brake+pads")


def test_a_search_in_the_address_is_carried_out_at_once(visit: Visit) -> None:
    page = visit("/search?q=deposit+for+a+cargo+bicycle")
    expect(page.locator(".ob-hit", has_text="cargo-bicycle-agreement.docx").first).to_be_visible()


def test_filters_narrow_and_can_be_combined(visit: Visit) -> None:
    page = visit("/search?q=wheel")
    expect(page.locator(".ob-hit")).to_have_count(10)
    page.get_by_label("Kind of document").select_option(label="PDF")
    expect(page.locator(".ob-hit__path", has_not_text=re.compile(r"\.pdf$"))).to_have_count(0)
    page.get_by_label("Kind of document").select_option(label="Any kind")
    page.get_by_label("Only in documents whose path holds").fill("prices")
    expect(page.locator(".ob-hit__path", has_not_text="prices-and-stock.xlsx")).to_have_count(0)
    page.get_by_label("Only in documents whose path holds").fill("")
    page.get_by_label("One for each document").check()
    expect(page.locator(".ob-hit").nth(4)).to_be_visible()
    paths = page.locator(".ob-hit__path").all_inner_texts()
    assert len(paths) == len(set(paths))


def test_a_filter_that_leaves_nothing_says_so(visit: Visit) -> None:
    page = visit("/search?q=wheel")
    page.get_by_label("Only in documents whose path holds").fill("no such document")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()


def test_explained_hits_show_what_their_score_is_made_of(visit: Visit) -> None:
    page = visit("/search?q=brake+pads")
    page.get_by_label("Explain").check()
    why = page.locator(".ob-hit").first.locator(".ob-why")
    expect(why).to_contain_text("cosine")
    expect(why).to_contain_text("BM25")
    expect(why).to_contain_text("rank 1")


def test_a_hit_opens_its_document_at_the_place(visit: Visit) -> None:
    page = visit("/search?q=brake+pads")
    link = page.locator(".ob-hit__link").first.get_attribute("href")
    assert link is not None
    assert re.fullmatch(r"/documents/\d+\?start=\d+&end=\d+", link)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_text_stands_out_and_nothing_is_wider_than_the_window(
    visit: Visit, theme: str, size: tuple[int, int]
) -> None:
    page = visit("/search?q=brake+pads", theme=theme, size=size)
    expect(page.locator(".ob-hit").first).to_be_visible()
    page.get_by_label("Explain").check()
    expect(page.locator(".ob-why").first).to_be_visible()
    assert contrast_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]

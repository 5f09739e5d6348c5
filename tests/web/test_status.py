"""The page *Status*, in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.serving import DESKTOP, PHONE, Visit, contrast_problems


def test_it_shows_how_much_there_is_and_that_all_of_it_has_vectors(visit: Visit) -> None:
    page = visit("/status")
    expect(page.locator(".ob-figure").first).to_contain_text("Documents\n13", use_inner_text=True)
    expect(page.locator(".ob-figure", has_text="With vectors")).to_contain_text("100%")
    expect(page.get_by_text("all-MiniLM-L6-v2").first).to_be_visible()


def test_a_check_runs_as_a_job_and_tells_what_it_compared(visit: Visit) -> None:
    page = visit("/status")
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("Everything agrees")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("documents 13")).to_be_visible()


def test_recent_questions_have_their_times(visit: Visit) -> None:
    search = visit("/search?q=rim+tape")
    search.get_by_label("Search the documents").press("Enter")
    page = visit("/status")
    row = page.locator("tr", has_text="rim tape").first
    expect(row).to_contain_text("hits")
    expect(row).to_contain_text("ms")


def test_the_theme_is_chosen_and_kept(visit: Visit) -> None:
    page = visit("/status", theme="light")
    assert "body--dark" not in (page.locator("body").get_attribute("class") or "")
    page.get_by_role("button", name="Theme: light").first.click()  # light is followed by the device's own
    page.get_by_role("button", name="Theme: auto").first.click()
    expect(page.locator("body.body--dark")).to_have_count(1)
    page.reload()
    expect(page.locator("body.body--dark")).to_have_count(1)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_text_stands_out_and_nothing_is_wider_than_the_window(
    visit: Visit, theme: str, size: tuple[int, int]
) -> None:
    page = visit("/status", theme=theme, size=size)
    expect(page.get_by_role("heading", name="Integrity")).to_be_visible()
    assert contrast_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]

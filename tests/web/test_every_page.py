"""What holds for every page: one main heading, named controls, no dead end."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.serving import PHONE, Visit, contrast_problems

PAGES = ("/", "/search?q=chain", "/documents", "/documents/1", "/documents/999999", "/map", "/status")

_UNNAMED = """() => [...document.querySelectorAll("a, button, input, select, textarea")]
  .filter((one) => one.checkVisibility() && !one.closest("[aria-hidden=true]"))
  .filter((one) => !(one.getAttribute("aria-label") || one.innerText.trim() || (one.labels ?? []).length))
  .map((one) => one.outerHTML.slice(0, 120))"""

_SKIPPED = """() => {
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")]
    .filter((one) => one.checkVisibility() && !one.closest(".ob-source__body"))
    .map((one) => Number(one.tagName[1]));
  return levels.filter((level, at) => level > (at ? levels[at - 1] : 0) + 1);
}"""

_LOW = """() => [...document.querySelectorAll(".ob-button, .ob-field, .ob-nav__link, summary")]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 44)
  .map((one) => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("path", PAGES)
def test_it_has_one_main_heading_named_controls_and_room_for_fingers(visit: Visit, path: str) -> None:
    page = visit(path, size=PHONE, touch=True)
    expect(page.locator("h1:not(.ob-source__body h1)")).to_have_count(1)
    assert page.evaluate(_UNNAMED) == []
    assert page.evaluate(_SKIPPED) == []
    assert page.evaluate(_LOW) == []


@pytest.mark.parametrize(
    ("path", "words"),
    [("/nowhere", "There is no such page"), ("/documents?library=gone", "no library 'gone'")],
)
def test_an_address_that_leads_nowhere_leads_back(visit: Visit, path: str, words: str) -> None:
    visit.expected.append("404")
    page = visit(path, theme="dark")
    expect(page.get_by_text(words).last).to_be_visible()
    assert contrast_problems(page) == []
    page.get_by_role("link", name="Ask the documents").click()
    expect(page.get_by_label("Your question")).to_be_visible()

"""The page *Ask*, in a browser: questions, and the exact places that their answers rest on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from openbook.library import Library
from openbook.types import Answer
from tests.web.serving import DESKTOP, EXAMPLES, PHONE, Visit, connected, contrast_problems, serving, visiting

OPEN = "When is the workshop open?"
CHAIN = "How often should a chain be checked for wear?"
TUBE = "What does a new inner tube cost?"
WORLD_CUP = "Who won the football world cup in 1998?"


@pytest.fixture(scope="module")
def library(example_library: Path) -> Iterator[Library]:
    """The library that is served, to compare with."""
    with Library(example_library) as library:
        yield library


def ask(page: Page, question: str) -> Locator:
    """Ask, and return the turn when it is answered."""
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")
    return answered(page, question)


def answered(page: Page, question: str) -> Locator:
    """The newest turn, when it is answered."""
    turn = page.locator(".ob-turn").last
    expect(turn.get_by_role("heading", name=question, exact=True)).to_be_visible()
    expect(turn.locator(".ob-facts")).to_be_visible()
    return turn


def open_first_source(page: Page, turn: Locator) -> Locator:
    """Press the first citation and return the panel when it shows something."""
    turn.locator(".ob-cite").first.click()
    panel = page.get_by_role("complementary", name="Source")
    expect(panel.locator(".ob-document")).to_be_visible()
    return panel


def first_quote(library: Library, question: str) -> tuple[Answer, str]:
    answer = library.ask(question)
    return answer, answer.citations[0].quote


def marked(panel: Locator) -> str:
    """The characters that are highlighted, in their order."""
    return "".join(panel.locator(".ob-mark--cited").all_text_contents())


def is_in_view(place: Locator) -> bool:
    """Whether a place can be seen inside the source, which scrolls by itself."""
    seen: bool = place.evaluate(
        """(place) => {
          const inner = place.getBoundingClientRect();
          const outer = place.closest(".ob-source__body").getBoundingClientRect();
          return inner.height > 0 && inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
        }"""
    )
    return seen


def test_a_citation_of_markdown_opens_with_exactly_the_quote_highlighted(
    visit: Visit, library: Library
) -> None:
    _, quote = first_quote(library, OPEN)
    page = visit("/")
    panel = open_first_source(page, ask(page, OPEN))
    expect(panel.get_by_role("heading", name="welcome.md")).to_be_focused()
    expect(panel).to_contain_text("Opening hours")
    assert marked(panel) == re.sub(r"\s*\|\s*", "", quote), "the cells of the row, without the bars between"
    expect(panel.locator(".ob-mark--cited").first).to_be_visible()
    assert is_in_view(panel.locator(".ob-mark--cited").first)
    panel.get_by_role("button", name="Text", exact=True).click()
    expect(panel.locator(".ob-document--text")).to_be_visible()
    assert marked(panel) == quote


def test_a_citation_of_a_spreadsheet_opens_the_sheet_with_its_row_highlighted(
    visit: Visit, library: Library
) -> None:
    _, quote = first_quote(library, TUBE)
    page = visit("/")
    panel = open_first_source(page, ask(page, TUBE))
    expect(panel.get_by_role("heading", name="prices-and-stock.xlsx")).to_be_visible()
    assert marked(panel) == quote
    row = panel.get_by_role("row").filter(has_text="P-102")
    expect(row.get_by_role("cell").nth(1)).to_have_text(re.compile("Inner tube 28 inch, racing valve"))
    assert is_in_view(row.locator(".ob-mark--cited").first)
    expect(panel.get_by_role("columnheader").filter(has_text="In stock")).to_have_count(1)


def test_a_citation_of_a_pdf_opens_its_page_with_boxes_over_the_words(visit: Visit, library: Library) -> None:
    answer, _ = first_quote(library, CHAIN)
    citation = answer.citations[0]
    piece = next(piece for piece in answer.evidence if piece.number == citation.number)
    assert piece.path == "repair-handbook.pdf"
    page = visit("/")
    panel = open_first_source(page, ask(page, CHAIN))
    box = panel.locator(".ob-page__box").first
    expect(box).to_be_visible()
    assert is_in_view(box)
    figure = panel.locator(".ob-page-image", has=page.locator(".ob-page__box"))
    image = figure.locator("img")
    expect(image).to_have_js_property("complete", True)
    number = int(figure.get_attribute("data-page") or 0)
    assert number == piece.page
    told = page.request.get(
        f"{visit.url}/api/documents/{piece.document_id}/pages/{number}/boxes"
        f"?start={citation.source_start}&end={citation.source_end}"
    ).json()["boxes"]
    drawn = figure.evaluate(_DRAWN_BOXES)
    assert len(drawn) == len(told) > 0
    for one, other in zip(drawn, told, strict=True):
        assert one["place"] == pytest.approx(
            [other["left"], other["top"], other["width"], other["height"]], abs=2e-3
        )
        assert one["dark"] > 0.02, "there is print under the box"
        assert one["above"] == 0, "and none between the lines"
    panel.get_by_role("button", name="Text", exact=True).click()
    expect(panel.locator(".ob-document--text")).to_be_visible()
    assert marked(panel) == citation.quote


_DRAWN_BOXES = """(figure) => {
  const image = figure.querySelector("img");
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const dark = (left, top, width, height) => {
    const pixels = context.getImageData(left * canvas.width, top * canvas.height,
      Math.max(1, width * canvas.width), Math.max(1, height * canvas.height)).data;
    let count = 0;
    for (let at = 0; at < pixels.length; at += 4) count += pixels[at] < 128 ? 1 : 0;
    return count / (pixels.length / 4);
  };
  const page = image.getBoundingClientRect();
  return [...figure.querySelectorAll(".ob-page__box")].map((box) => {
    const { left, top, width, height } = box.getBoundingClientRect();
    const corner = [(left - page.left) / page.width, (top - page.top) / page.height];
    const place = [...corner, width / page.width, height / page.height];
    return { place, dark: dark(...place), above: dark(place[0], place[1] - 0.002, place[2], 0.001) };
  });
}"""


def test_citations_are_stepped_through_and_esc_gives_the_focus_back(visit: Visit) -> None:
    page = visit("/")
    turn = ask(page, OPEN)
    chip = turn.locator(".ob-cite").first
    chip.focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("complementary", name="Source")
    expect(panel.get_by_role("heading", name="welcome.md")).to_be_focused()
    expect(panel.get_by_role("button", name="Previous citation")).to_be_disabled()
    expect(panel.locator(".ob-mark--cited").first).to_have_text("Tuesday")
    panel.get_by_role("button", name="Next citation").click()
    expect(panel.locator(".ob-mark--cited").first).not_to_have_text("Tuesday")
    expect(panel.get_by_role("button", name="Previous citation")).to_be_enabled()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(chip).to_be_focused()


def test_the_quote_and_the_place_can_be_copied_and_the_place_opened(visit: Visit, library: Library) -> None:
    answer, quote = first_quote(library, TUBE)
    page = visit("/")
    panel = open_first_source(page, ask(page, TUBE))
    panel.get_by_role("button", name="Copy quote").click()
    expect(page.get_by_text("Quote copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == quote
    panel.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Link copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    citation = answer.citations[0]
    assert link.endswith(f"?start={citation.source_start}&end={citation.source_end}")
    assert panel.get_by_role("link", name="Whole document").get_attribute("href") == link.removeprefix(
        visit.url
    )
    page.goto(link)
    expect(page.get_by_role("heading", level=1, name="prices-and-stock.xlsx")).to_be_visible()
    expect(page.locator(".ob-mark--cited").first).to_be_visible()
    assert marked(page.locator(".ob-sheet")) == quote


def test_a_document_without_a_place_opens_at_its_beginning_and_can_be_asked(
    visit: Visit, library: Library
) -> None:
    number = next(record.id for record in library.documents() if record.path == "welcome.md")
    page = visit(f"/documents/{number}")
    expect(page.get_by_role("heading", name="Welcome to Spoke & Chain")).to_be_visible()
    expect(page.locator(".ob-mark")).to_have_count(0)
    page.get_by_role("link", name="Ask this document").click()
    expect(page.locator(".ob-composer")).to_contain_text("Only in")
    expect(page.locator(".ob-composer__document")).to_contain_text("welcome.md")
    page.goto(f"{visit.url}/documents/999999")
    expect(page.get_by_role("heading", name="This document is not here")).to_be_visible()


def test_evidence_says_why_it_was_found_and_opens(visit: Visit) -> None:
    page = visit("/")
    turn = ask(page, TUBE)
    turn.get_by_text(re.compile(r"Evidence: \d+ places in \d+ documents")).click()
    turn.get_by_role("button", name="Why these?").click()
    why = turn.locator(".ob-evidence__why").first
    expect(why).to_contain_text("cosine")
    expect(why).to_contain_text("BM25")
    expect(why.locator("dd").last).to_contain_text("tube")
    turn.locator(".ob-evidence__open").nth(1).click()
    panel = page.get_by_role("complementary", name="Source")
    expect(panel.get_by_role("heading", name="frequently-asked-questions.md")).to_be_visible()
    expect(panel.locator(".ob-mark--evidence").first).to_be_visible()


def test_what_is_not_in_the_documents_is_said_without_alarm(visit: Visit) -> None:
    page = visit("/")
    turn = ask(page, WORLD_CUP)
    expect(turn.get_by_role("heading", name="Not in your documents")).to_be_visible()
    expect(turn.get_by_role("alert")).to_have_count(0)
    expect(turn.get_by_text(re.compile("The nearest misses"))).to_be_visible()
    expect(turn.locator(".ob-evidence__open").first).to_be_visible()
    expect(turn.get_by_role("link", name="search instead")).to_have_attribute(
        "href", re.compile(r"^/search\?q=Who")
    )


def test_a_question_can_be_restricted_to_documents(visit: Visit) -> None:
    page = visit("/")
    page.get_by_role("button", name="All documents").click()
    dialog = page.get_by_role("dialog", name="Choose documents")
    dialog.get_by_label("Find a document").fill("handb")
    expect(dialog.get_by_role("checkbox")).to_have_count(1)
    dialog.get_by_role("checkbox").check()
    dialog.get_by_label("Find a document").fill("minutes")
    dialog.get_by_label(re.compile("board-minutes")).check()
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_be_hidden()
    expect(page.locator(".ob-composer__document")).to_have_count(2)
    turn = ask(page, OPEN)
    turn.locator(".ob-evidence").evaluate("(box) => { box.open = true; }")
    paths = set(turn.locator(".ob-evidence__path").all_text_contents())
    assert paths <= {"repair-handbook.pdf", "board-minutes-2024-03-14.docx"}
    page.get_by_role("button", name="Ask beyond repair-handbook.pdf").click()
    expect(page.locator(".ob-composer__document")).to_have_count(1)


def test_what_was_typed_outlives_a_reload_until_it_is_asked(visit: Visit) -> None:
    page = visit("/")
    field = page.get_by_label("Your question")
    field.press_sequentially("When is")
    page.reload()
    expect(field).to_have_value("When is")
    ask(page, OPEN)
    page.goto(visit.url)
    expect(page.get_by_role("heading", name="Ask your documents")).to_be_visible()
    connected(page)
    expect(field).to_have_value("")


def test_a_follow_up_is_understood_kept_and_there_after_a_reload(visit: Visit) -> None:
    page = visit("/")
    ask(page, OPEN)
    expect(page).to_have_url(re.compile(r"\?conversation=\d+$"))
    ask(page, "And on Saturday?")
    page.reload()
    expect(page.locator(".ob-turn")).to_have_count(2)
    expect(page.locator(".ob-turn").first.get_by_role("heading", name=OPEN)).to_be_visible()
    current = page.locator(".ob-talks__link[aria-current=page]").first
    expect(current).to_have_text(OPEN)
    panel = open_first_source(page, page.locator(".ob-turn").first)
    expect(panel.get_by_role("heading", name="welcome.md")).to_be_visible()


def test_conversations_are_renamed_exported_and_deleted(visit: Visit) -> None:
    page = visit("/")
    ask(page, CHAIN)
    name = page.locator(".ob-ask__name")
    expect(name).to_have_text(CHAIN)
    for form, expected in (
        ("Markdown", f"## {CHAIN[:-1]}"),
        ("JSON", '"turns"'),
        ("CSV", "turn,asked,question"),
    ):
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as download:
            page.get_by_role("menuitem", name=form).or_(page.locator(".q-item", has_text=form)).first.click()
        assert expected in Path(download.value.path()).read_text(encoding="utf-8")
    entry = page.locator(".ob-talks__entry", has=page.locator("[aria-current=page]")).first
    entry.hover()
    entry.get_by_role("button", name=re.compile("^Rename")).click()
    page.get_by_role("textbox", name="Name").fill("Chains & wear")
    page.get_by_role("button", name="Rename", exact=True).click()
    renamed = page.locator(".ob-talks__entry", has_text="Chains & wear").first
    expect(renamed).to_be_visible()
    renamed.hover()
    renamed.get_by_role("button", name=re.compile("^Delete")).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page).to_have_url(f"{visit.url}/")
    expect(page.locator(".ob-talks__link", has_text="Chains & wear")).to_have_count(0)


def test_a_question_in_the_address_is_asked_at_once_but_not_for_another_site(
    visit: Visit, browser: Browser
) -> None:
    page = visit("/?q=When+is+the+workshop+open%3F")
    answered(page, OPEN)
    context = browser.new_context()
    elsewhere = context.new_page()
    elsewhere.goto(f"{visit.url.replace('127.0.0.1', 'localhost')}/status")
    elsewhere.evaluate(f"location.href = {json.dumps(visit.url + '/?q=When+is+the+workshop+open%3F')}")
    expect(elsewhere.get_by_label("Your question")).to_have_value(OPEN)
    expect(elsewhere.locator(".ob-turn")).to_have_count(0)
    context.close()


def test_an_example_is_a_question_that_the_documents_answer(visit: Visit) -> None:
    page = visit("/")
    expect(page.get_by_role("heading", name="Ask your documents")).to_be_visible()
    examples = page.locator(".ob-welcome__example")
    expect(examples).to_have_count(3)
    question = examples.first.inner_text().splitlines()[0]
    examples.first.click()
    answered(page, question)


def test_everything_is_done_by_keyboard(visit: Visit) -> None:
    page = visit("/")
    field = page.get_by_label("Your question")
    expect(field).to_be_focused()
    page.keyboard.type("When is the")
    page.keyboard.press("Shift+Enter")
    assert field.input_value() == "When is the\n"
    page.keyboard.type("workshop open?")
    page.keyboard.press("Enter")
    turn = page.locator(".ob-turn").last
    expect(turn.locator(".ob-facts")).to_be_visible()
    expect(field).to_have_value("")
    page.locator(".ob-ask__head").get_by_role("button", name="Export").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # over the quoted table, which may be scrolled
    expect(turn.locator(".ob-cite").first).to_be_focused()
    outline = turn.locator(".ob-cite").first.evaluate("(chip) => getComputedStyle(chip).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.locator(".ob-panel .ob-source__path")).to_be_focused()
    page.keyboard.press("Escape")
    expect(turn.locator(".ob-cite").first).to_be_focused()
    page.keyboard.press("/")
    expect(field).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_can_be_read_in_both_themes_and_fits_a_phone(
    visit: Visit, theme: str, size: tuple[int, int]
) -> None:
    page = visit("/", theme=theme, size=size)
    assert contrast_problems(page) == []
    ask(page, WORLD_CUP)
    turn = ask(page, TUBE)
    assert contrast_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    panel = open_first_source(page, turn)
    assert contrast_problems(page) == []
    shown = panel.bounding_box()
    assert shown is not None
    if size == PHONE:
        assert shown["width"] == PHONE[0]
        assert page.locator(".ob-ask__column").evaluate("(column) => column.inert")
        panel.get_by_role("button", name=re.compile("^Close")).click()
        expect(panel).to_be_hidden()
        assert not page.locator(".ob-ask__column").evaluate("(column) => column.inert")
        page.get_by_role("button", name="Conversations").click()
        expect(page.get_by_role("dialog").get_by_role("link", name="New conversation")).to_be_visible()
    else:
        assert shown["x"] > DESKTOP[0] / 2
        expect(turn).to_be_visible()


def test_a_changed_and_a_missing_file_are_told_and_the_stored_text_is_shown(
    browser: Browser, tmp_path: Path, installed_model: Path
) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    for name in ("welcome.md", "repair-handbook.pdf"):
        (folder / name).write_bytes((EXAMPLES / name).read_bytes())
    with Library(tmp_path / "library") as library:
        library.add(folder)
    (folder / "welcome.md").write_text("# Something else\n", encoding="utf-8")
    (folder / "repair-handbook.pdf").unlink()
    with serving(tmp_path / "library", log=tmp_path / "log") as url, visiting(browser, url) as visit:
        page = visit("/")
        panel = open_first_source(page, ask(page, OPEN))
        expect(panel).to_contain_text("The file has changed since it was read.")
        assert "Tuesday" in marked(panel)
        panel = open_first_source(page, ask(page, CHAIN))
        expect(panel).to_contain_text("The file is no longer where it was.")
        expect(panel.locator(".ob-mark--cited").first).to_be_visible()

"""The page *Documents*, in a browser: uploading, what could not be taken in, deleting and taking it back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from openbook.library import Library
from openbook.settings import Settings
from tests.web.serving import DESKTOP, EXAMPLES, PHONE, Visit, contrast_problems, serving, visiting

FAKE = "hash:64"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a document, a damaged one, an empty one and one of no known kind."""
    place = tmp_path / "papers"
    place.mkdir()
    (place / "tides.md").write_text("# Tides\n\nThe spring tide comes two days after the full moon.\n")
    (place / "winds.md").write_text("# Winds\n\nThe mistral blows from the north, down the valley.\n")
    (place / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    (place / "blank.txt").write_text("")
    (place / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    return place


@pytest.fixture
def library(tmp_path: Path, folder: Path) -> Path:
    place = tmp_path / "notes.openbook"
    with Library(place, settings=Settings(embedder=FAKE)) as library:
        library.add(folder)
    return place


@pytest.fixture
def visit(browser: Browser, library: Path, tmp_path: Path) -> Iterator[Visit]:
    """Pages of a library that a test may change."""
    with (
        serving(library, log=tmp_path / "log", OPENBOOK_EMBEDDER=FAKE) as url,
        visiting(browser, url) as visit,
    ):
        yield visit


def test_documents_and_problems_stand_in_one_table_with_reasons_and_advice(visit: Visit) -> None:
    page = visit("/documents")
    expect(page.get_by_text("2 documents · 3 files could not be taken in")).to_be_visible()
    damaged = page.locator("tr", has_text="broken.pdf")
    expect(damaged).to_contain_text("failed")
    expect(damaged).to_contain_text("damaged")
    expect(damaged).to_contain_text("Put the file right")
    expect(page.locator("tr", has_text="blank.txt")).to_contain_text("empty")
    expect(page.locator("tr", has_text="photo.jpg")).to_contain_text("skipped")
    page.get_by_role("button", name="Problems 3").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_role("button", name="All 5").click()
    page.get_by_label("Filter by name").fill("tide")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Filter by name").fill("no such name")
    expect(page.get_by_role("heading", name="Nothing fits")).to_be_visible()


def test_the_table_is_sorted_by_what_is_clicked(visit: Visit) -> None:
    page = visit("/documents")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Document")
    page.get_by_role("button", name="Document", exact=True).click()
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Document")
    expect(page.locator("tbody tr").first).to_contain_text("winds.md")


def test_an_uploaded_file_is_read_and_can_be_found(visit: Visit) -> None:
    page = visit("/documents")
    page.locator("input[type=file]").set_input_files(
        [EXAMPLES / "repair-handbook.pdf", EXAMPLES / "prices-and-stock.xlsx"]
    )
    job = page.locator(".ob-job")
    expect(job).to_contain_text("2 added", timeout=30_000)
    expect(job).to_contain_text("Done")
    expect(page.locator("tr", has_text="repair-handbook.pdf")).to_contain_text("PDF")
    page.goto(f"{visit.url}/search?q=spoke+tension")
    expect(page.locator(".ob-hit", has_text="repair-handbook.pdf").first).to_be_visible()


def test_what_is_deleted_is_gone_at_once_and_comes_back_on_request(visit: Visit) -> None:
    page = visit("/documents")
    page.get_by_role("button", name="Delete tides.md").click()
    expect(page.locator("tr", has_text="tides.md")).to_have_count(0)
    bar = page.locator(".ob-undo__line")
    expect(bar).to_contain_text("Deleted tides.md")
    expect(bar).to_contain_text("the next synchronisation brings them back")
    other = visit("/search?q=spring+tide")
    expect(other.locator(".ob-hit", has_text="tides.md")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("tr", has_text="tides.md")).to_have_count(1)
    other.reload()
    expect(other.locator(".ob-hit", has_text="tides.md").first).to_be_visible()


def test_several_are_deleted_together(visit: Visit) -> None:
    page = visit("/documents")
    page.get_by_label("Choose tides.md").check()
    page.get_by_label("Choose winds.md").check()
    page.get_by_role("button", name="Delete 2 documents").click()
    expect(page.locator(".ob-undo__line")).to_contain_text("Deleted 2 documents")
    expect(page.get_by_text("0 documents")).to_be_visible()


def test_sync_brings_in_what_is_new(visit: Visit, folder: Path) -> None:
    page = visit("/documents")
    (folder / "currents.md").write_text("# Currents\n\nThe gulf stream is warm.\n")
    page.get_by_role("button", name="Sync now").click()
    expect(page.locator(".ob-job")).to_contain_text("1 added", timeout=30_000)
    expect(page.locator("tr", has_text="currents.md")).to_be_visible()


def test_names_of_files_are_text_and_nothing_else(visit: Visit, folder: Path) -> None:
    name = "<img src=x onerror=document.title='hit'>.md"
    (folder / name).write_text("# <script>document.title='hit'</script>\n\nNothing of this runs.\n")
    page = visit("/documents")
    page.get_by_role("button", name="Sync now").click()
    expect(page.locator("tr", has_text=name)).to_be_visible(timeout=30_000)
    assert page.title() == "Documents · notes"
    page.goto(f"{visit.url}/search?q=nothing+of+this+runs")
    expect(page.locator(".ob-hit", has_text=name).first).to_be_visible()
    assert "hit" not in page.title()
    assert page.locator("img").count() == 0


def test_an_empty_library_says_how_to_begin(browser: Browser, tmp_path: Path) -> None:
    empty = tmp_path / "empty.openbook"
    Library(empty, settings=Settings(embedder=FAKE)).close()
    with (
        serving(empty, log=tmp_path / "log", OPENBOOK_EMBEDDER=FAKE) as url,
        visiting(browser, url) as visit,
    ):
        page = visit("/documents")
        expect(page.get_by_role("heading", name="No documents yet")).to_be_visible()
        page.get_by_role("button", name="Sync now").click()
        expect(page.get_by_text("No folder was added yet")).to_be_visible()
        other = visit("/search")
        expect(other.get_by_role("link", name="Add documents")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_text_stands_out_and_nothing_is_wider_than_the_window(
    visit: Visit, theme: str, size: tuple[int, int]
) -> None:
    page = visit("/documents", theme=theme, size=size)
    expect(page.locator("tr", has_text="broken.pdf")).to_be_visible()
    page.get_by_role("button", name="Delete winds.md").click()
    expect(page.locator(".ob-undo__line")).to_be_visible()
    assert contrast_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]

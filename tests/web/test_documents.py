"""The page *Documents*, in a browser: uploading, what could not be taken in, deleting and taking it back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from openbook.library import Library
from openbook.settings import Settings
from tests.web.serving import DESKTOP, EXAMPLES, PHONE, Visit, contrast_problems, serving, visiting

FAKE = "hash:64"


LIBRARIES = 7
"""Libraries of the one server: each test that changes something takes one of its own."""


def _papers(place: Path, *, problems: bool) -> Path:
    """A folder with two documents, and with a damaged, an empty and an unknown one as `problems`."""
    place.mkdir(parents=True)
    (place / "tides.md").write_text("# Tides\n\nThe spring tide comes two days after the full moon.\n")
    (place / "winds.md").write_text("# Winds\n\nThe mistral blows from the north, down the valley.\n")
    if not problems:
        return place
    (place / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    (place / "blank.txt").write_text("")
    (place / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    return place


@dataclass(frozen=True)
class Place:
    """One library of the server and the folder that it was made from. Call it to open a page."""

    visit: Visit
    name: str
    folder: Path

    def __call__(self, path: str, *, theme: str = "light", size: tuple[int, int] = DESKTOP) -> Page:
        return self.visit(self.path(path), theme=theme, size=size)

    def path(self, path: str) -> str:
        """The path with the library named in it."""
        return f"{path}{'&' if '?' in path else '?'}library={self.name}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[Path]]]:
    """The address of a server, and the folders of its libraries; a server for each test took minutes."""
    around = tmp_path_factory.mktemp("served")
    places = [around / f"notes{number}" for number in range(LIBRARIES)]
    for number, place in enumerate(places):
        with Library(place / "notes.openbook", settings=Settings(embedder=FAKE)) as library:
            library.add(_papers(place / "papers", problems=number == 0))
    empty = around / "empty.openbook"
    Library(empty, settings=Settings(embedder=FAKE)).close()
    libraries = [empty, *(place / "notes.openbook" for place in places)]
    with serving(*libraries, log=around / "log", OPENBOOK_EMBEDDER=FAKE) as url:
        yield url, places


@pytest.fixture
def unvisited(browser: Browser, served: tuple[str, list[Path]]) -> Iterator[Visit]:
    """Pages of the server, the empty library being its first."""
    with visiting(browser, served[0]) as visit:
        yield visit


@pytest.fixture(scope="module")
def unused(served: tuple[str, list[Path]]) -> list[tuple[str, Path]]:
    """The libraries that no test has taken: their names at the server, and their folders."""
    names = ["notes", *(f"notes-{number}" for number in range(2, LIBRARIES + 1))]
    return list(zip(names, served[1], strict=True))


@pytest.fixture
def visit(unvisited: Visit, unused: list[tuple[str, Path]]) -> Place:
    """Pages of a library that a test may change."""
    assert len(unused) > 1, "more tests change a library than LIBRARIES says"
    name, place = unused.pop()
    return Place(unvisited, name, place / "papers")


@pytest.fixture
def shared(unvisited: Visit, served: tuple[str, list[Path]]) -> Place:
    """Pages of a library that a test leaves as it was."""
    return Place(unvisited, "notes", served[1][0] / "papers")


@pytest.fixture
def folder(visit: Place) -> Path:
    """The folder that the library was made from."""
    return visit.folder


def test_documents_and_problems_stand_in_one_table_with_reasons_and_advice(shared: Place) -> None:
    page = shared("/documents")
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


def test_the_table_is_sorted_by_what_is_clicked(shared: Place) -> None:
    page = shared("/documents")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Document")
    page.get_by_role("button", name="Document", exact=True).click()
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Document")
    expect(page.locator("tbody tr").first).to_contain_text("winds.md")


def test_an_uploaded_file_is_read_and_can_be_found(visit: Place) -> None:
    page = visit("/documents")
    page.locator("input[type=file]").set_input_files(
        [EXAMPLES / "repair-handbook.pdf", EXAMPLES / "prices-and-stock.xlsx"]
    )
    job = page.locator(".ob-job")
    expect(job).to_contain_text("2 added", timeout=30_000)
    expect(job).to_contain_text("Done")
    expect(page.locator("tr", has_text="repair-handbook.pdf")).to_contain_text("PDF")
    page.goto(visit.visit.url + visit.path("/search?q=spoke+tension"))
    expect(page.locator(".ob-hit", has_text="repair-handbook.pdf").first).to_be_visible()


def test_what_is_deleted_is_gone_at_once_and_comes_back_on_request(visit: Place) -> None:
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


def test_several_are_deleted_together(visit: Place) -> None:
    page = visit("/documents")
    page.get_by_label("Choose tides.md").check()
    page.get_by_label("Choose winds.md").check()
    page.get_by_role("button", name="Delete 2 documents").click()
    expect(page.locator(".ob-undo__line")).to_contain_text("Deleted 2 documents")
    expect(page.get_by_text("0 documents")).to_be_visible()


def test_sync_brings_in_what_is_new(visit: Place, folder: Path) -> None:
    page = visit("/documents")
    (folder / "currents.md").write_text("# Currents\n\nThe gulf stream is warm.\n")
    page.get_by_role("button", name="Sync now").click()
    expect(page.locator(".ob-job")).to_contain_text("1 added", timeout=30_000)
    expect(page.locator("tr", has_text="currents.md")).to_be_visible()


def test_names_of_files_are_text_and_nothing_else(visit: Place, folder: Path) -> None:
    name = "<img src=x onerror=document.title='hit'>.md"
    (folder / name).write_text("# <script>document.title='hit'</script>\n\nNothing of this runs.\n")
    page = visit("/documents")
    page.get_by_role("button", name="Sync now").click()
    expect(page.locator("tr", has_text=name)).to_be_visible(timeout=30_000)
    assert page.title() == f"Documents · {visit.name}"
    page.goto(visit.visit.url + visit.path("/search?q=nothing+of+this+runs"))
    expect(page.locator(".ob-hit", has_text=name).first).to_be_visible()
    assert "hit" not in page.title()
    assert page.locator("img").count() == 0


def test_an_empty_library_says_how_to_begin(unvisited: Visit) -> None:
    page = unvisited("/documents")
    expect(page.get_by_role("heading", name="No documents yet")).to_be_visible()
    page.get_by_role("button", name="Sync now").click()
    expect(page.get_by_text("No folder was added yet")).to_be_visible()
    other = unvisited("/search")
    expect(other.get_by_role("link", name="Add documents")).to_be_visible()
    assert contrast_problems(other) == []

    first = unvisited("/")
    expect(first.get_by_role("heading", name="This library is empty")).to_be_visible()
    expect(first.get_by_role("link", name="Add documents")).to_have_attribute("href", "/documents")
    first.goto(f"{unvisited.url}/?conversation=12")
    expect(first.get_by_role("heading", name="This conversation is not here")).to_be_visible()


def test_a_sync_that_would_empty_the_library_asks_first(visit: Place, folder: Path) -> None:
    page = visit("/documents")
    shutil.rmtree(folder)
    page.get_by_role("button", name="Sync now").click()
    job = page.locator(".ob-job").first
    expect(job).to_contain_text("Is its disk mounted? Nothing was changed.")
    expect(page.locator(".ob-subtitle")).to_contain_text("2 documents")
    page.get_by_role("button", name="Remove them").click()
    expect(page.locator(".ob-job").first).to_contain_text("2 removed")
    expect(page.get_by_text("0 documents")).to_be_visible()
    expect(page.get_by_role("button", name="Remove them")).to_have_count(0)


def test_the_focus_stays_where_it_was_when_the_table_is_drawn_anew(shared: Place) -> None:
    page = shared("/documents")
    page.get_by_role("button", name="Size").press("Enter")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Size")
    expect(page.get_by_role("button", name="Size")).to_be_focused()
    page.get_by_role("button", name="Problems 3").press("Enter")
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.get_by_role("button", name="Problems 3")).to_be_focused()
    page.get_by_role("button", name="Theme: light").press("Enter")
    expect(page.get_by_role("button", name="Theme: auto")).to_be_focused()


def test_a_phone_chooses_the_order(shared: Place) -> None:
    page = shared("/documents", size=PHONE)
    expect(page.locator("tbody tr").first).to_contain_text("blank.txt")
    page.get_by_label("Order").select_option("Largest first")
    expect(page.locator("tbody tr").first).to_contain_text("tides.md")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_text_stands_out_and_nothing_is_wider_than_the_window(
    shared: Place, theme: str, size: tuple[int, int]
) -> None:
    page = shared("/documents", theme=theme, size=size)
    expect(page.locator("tr", has_text="broken.pdf")).to_be_visible()
    page.get_by_role("button", name="Delete winds.md").click()
    expect(page.locator(".ob-undo__line")).to_be_visible()
    assert contrast_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.get_by_role("button", name="Undo").click()  # as it was, for the tests that share it
    expect(page.locator("tr", has_text="winds.md")).to_be_visible()

"""The page *Map* in a real browser: points are drawn, hovered, selected, coloured, and can be listened to."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from openbook.library import Library
from openbook.settings import Settings
from tests.web.serving import DESKTOP, PHONE, Visit, chromium, contrast_problems, serving, visiting

MAP = "document.querySelector('openbook-map')"
COUNT = 60


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of this module."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(topics_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of the 60 documents, and of an empty library."""
    folder = tmp_path_factory.mktemp("pages")
    Library(folder / "nothing", settings=Settings(embedder="hash:64")).close()
    libraries = (topics_library, folder / "nothing")
    with serving(*libraries, log=folder / "log", OPENBOOK_EMBEDDER="hash:64") as url:
        yield url


@pytest.fixture
def visit(browser: Browser, server: str) -> Iterator[Visit]:
    """Pages of that server."""
    with visiting(browser, server) as visit:
        yield visit


def drawn(
    visit: Visit, *, theme: str = "light", size: tuple[int, int] = DESKTOP, touch: bool = False
) -> Page:
    """The page with its map by principal components, which stays that way."""
    page = visit("/map", theme=theme, size=size, touch=touch)
    page.wait_for_function(f"{MAP}?.loaded?.state === 'ready'")
    page.evaluate(f"{MAP}.change({{ method: 'pca' }})")
    page.wait_for_function(f"{MAP}.loaded.method === 'pca' && {MAP}.points.mix === 1")
    return page


def stage(page: Page) -> Locator:
    return page.locator(".ob-map__stage")


def colours(page: Page) -> set[tuple[int, ...]]:
    """The colours of the stage as a person sees it."""
    image = page.evaluate(
        """async (png) => {
          const image = new Image();
          image.src = png;
          await image.decode();
          const canvas = new OffscreenCanvas(image.width, image.height);
          const context = canvas.getContext('2d');
          context.drawImage(image, 0, 0);
          const data = context.getImageData(0, 0, image.width, image.height).data;
          const seen = {};
          for (let at = 0; at < data.length; at += 4) {
            const key = `${data[at]},${data[at + 1]},${data[at + 2]}`;
            seen[key] = (seen[key] || 0) + 1;
          }
          return Object.keys(seen).filter((key) => seen[key] > 8);
        }""",
        f"data:image/png;base64,{encoded(stage(page))}",
    )
    return {tuple(map(int, key.split(","))) for key in image}


def encoded(element: Locator) -> str:
    return base64.b64encode(element.screenshot()).decode("ascii")


def spot(page: Page, index: int) -> tuple[float, float]:
    """Where a point is on the screen, as the page itself says."""
    x, y = page.evaluate(f"(index) => {MAP}.points.at(index).slice(0, 2)", index)
    box = stage(page).bounding_box()
    assert box is not None
    border = 1
    return box["x"] + border + x, box["y"] + border + y


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_points_are_drawn_in_the_colours_of_their_clusters(visit: Visit, theme: str) -> None:
    page = drawn(visit, theme=theme)
    assert page.evaluate(f"{MAP}.points.count") == COUNT
    expect(page.get_by_text("60 chunks in 60 documents")).to_be_visible()
    wanted = page.evaluate(
        "[0, 1, 2].map((slot) => getComputedStyle(document.body).getPropertyValue(`--ob-map-${slot}`).trim())"
    )
    paper = page.evaluate("getComputedStyle(document.body).getPropertyValue('--ob-map-paper').trim()")
    seen = colours(page)
    ground = rgb(paper)
    for code in wanted:
        # A point is a little transparent, so that many at one place look denser than one.
        shown = tuple(0.86 * front + 0.14 * behind for front, behind in zip(rgb(code), ground, strict=True))
        assert min(max(abs(a - b) for a, b in zip(shown, one, strict=True)) for one in seen) < 6, code
    assert not contrast_problems(page, "openbook-map *")


def rgb(code: str) -> tuple[int, ...]:
    return tuple(int(code[at : at + 2], 16) for at in (1, 3, 5))


def test_a_point_tells_its_text_and_opens_its_document(visit: Visit) -> None:
    page = drawn(visit)
    x, y = spot(page, 3)
    page.mouse.move(x, y)
    card = page.locator(".ob-map__card")
    expect(card).to_be_visible()
    hovered = page.evaluate(f"{MAP}.hovered")
    chunk = page.evaluate(f"async (index) => await {MAP}.chunk(index)", hovered)
    expect(card).to_contain_text(chunk["title"])
    expect(card).to_contain_text(chunk["path"])
    expect(card).to_contain_text(chunk["text"][:60])
    page.evaluate(
        f"""{MAP}.addEventListener('openbook-open', (event) => {{
          window.opened = event.detail;
          event.preventDefault();
        }})"""
    )
    page.mouse.click(x, y)
    page.wait_for_function("window.opened")
    assert page.evaluate("window.opened") == {
        "document_id": chunk["document_id"], "start": chunk["start"], "end": chunk["end"],
    }  # fmt: skip
    box = stage(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    expect(card).to_be_hidden()


def test_a_lasso_selects_and_a_search_stays_inside(visit: Visit) -> None:
    page = drawn(visit)
    page.get_by_role("button", name="Select with a lasso").click()
    box = stage(page).bounding_box()
    assert box is not None
    left, top, right, bottom = (
        box["x"] + 4,
        box["y"] + 4,
        box["x"] + box["width"] - 60,
        box["y"] + box["height"] - 4,
    )
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom)):
        page.mouse.move(x, y, steps=4)
    page.mouse.up()
    selected = page.evaluate(f"{MAP}.selection.length")
    assert COUNT // 2 < selected <= COUNT
    expect(page.get_by_role("heading", name="chunks selected")).to_have_text(f"{selected} chunks selected")
    field = page.get_by_label("Search within the selection", exact=True)
    field.fill("oven flour butter")
    field.press("Enter")
    expect(page.locator(".ob-map__hit").first).to_contain_text("Kitchen")
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="chunks selected")).to_have_count(0)
    assert page.evaluate(f"{MAP}.selection") is None


def test_a_question_is_shown_among_the_points(visit: Visit) -> None:
    page = drawn(visit)
    page.get_by_label("Show a question on the map").fill("wheel spoke brake")
    page.keyboard.press("Enter")
    hits = page.locator(".ob-map__hit")
    expect(hits.first).to_contain_text("Bicycle")
    assert (hits.first.get_attribute("href") or "").startswith("documents/")
    assert page.evaluate(f"{MAP}.question.hits.length") == hits.count()
    place = page.evaluate(f"{MAP}.points.project(...{MAP}.question.place)")
    assert 0 < place[0] < DESKTOP[0]
    page.get_by_role("button", name="Remove the question").click()
    expect(hits).to_have_count(0)


def test_the_list_names_all_clusters_and_isolates_one_with_the_keyboard(visit: Visit) -> None:
    page = drawn(visit)
    entries = page.locator(".ob-map__entry")
    counts = [int(text) for text in page.locator(".ob-map__entry .ob-numbers").all_inner_texts()]
    assert sum(counts) == COUNT
    entries.first.focus()
    page.keyboard.press("Enter")
    expect(entries.first).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(f"{MAP}.points.plain.reduce((one, other) => one + other)") == counts[0]
    page.keyboard.press("Enter")
    assert page.evaluate(f"{MAP}.points.plain") is None
    page.get_by_text("Documents", exact=True).last.click()
    expect(entries).to_have_count(60)
    page.get_by_label("Find a document").fill("garden/03")
    expect(entries).to_have_count(1)


def test_keys_and_wheel_move_the_map_and_home_brings_it_back(visit: Visit) -> None:
    page = drawn(visit)
    page.locator("canvas[tabindex]").focus()
    camera = f"Object.values({MAP}.points.camera)"
    first = page.evaluate(camera)
    for key in ("ArrowLeft", "ArrowDown", "+", "-", "+"):
        before = page.evaluate(camera)
        page.keyboard.press(key)
        assert page.evaluate(camera) != before, key
    page.keyboard.press("Home")
    assert page.evaluate(camera) == first
    x, y = spot(page, 5)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -300)
    page.wait_for_function(f"{MAP}.points.camera.zoom > 1.2")
    near = spot(page, 5)
    assert abs(near[0] - x) < 1.5, "what lies under the pointer stays there"
    assert abs(near[1] - y) < 1.5


def test_in_three_dimensions_a_drag_turns_the_map(visit: Visit) -> None:
    page = drawn(visit)
    page.get_by_text("3-D").click()
    page.wait_for_function(f"{MAP}.loaded.dimensions === 3")
    before = page.evaluate(f"{MAP}.points.camera.yaw")
    box = stage(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 330, steps=4)
    page.mouse.up()
    assert page.evaluate(f"{MAP}.points.camera.yaw") > before
    x, y = spot(page, 3)
    page.mouse.move(x, y)
    expect(page.locator(".ob-map__card")).to_be_visible()


def test_the_neighbours_come_by_themselves(visit: Visit) -> None:
    page = visit("/map")
    page.wait_for_function(f"{MAP}?.loaded?.method === 'tsne'", timeout=90_000)
    assert page.evaluate(f"{MAP}.points.count") == COUNT
    expect(page.get_by_label("Neighbours")).to_be_checked()
    expect(page.locator(".ob-map__pill")).to_be_hidden()
    page.get_by_label("Show a question on the map").fill("soil seed compost")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Placed among its nearest chunks")).to_be_visible()


def test_on_a_phone_a_tap_shows_the_text_and_nothing_is_too_wide(visit: Visit) -> None:
    page = drawn(visit, size=PHONE, touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    x, y = spot(page, 3)
    page.touchscreen.tap(x, y)
    card = page.locator(".ob-map__card")
    expect(card.get_by_role("link", name="Open the document")).to_be_visible()
    box = card.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE[0]


def test_an_empty_library_says_what_to_do(visit: Visit) -> None:
    page = visit("/map?library=nothing")
    expect(page.get_by_role("heading", name="Nothing to map yet")).to_be_visible()
    page.get_by_role("button", name="Add documents").click()
    page.wait_for_url("**/documents?library=nothing")


def test_where_the_server_fails_it_is_said_and_can_be_tried_again(visit: Visit) -> None:
    visit.expected.append("503")
    page = visit("/status")
    broken = '{"detail": "The ledger is on fire."}'
    page.route("**/api/map?*", lambda route: route.fulfill(status=503, body=broken))
    page.goto(f"{visit.url}/map")
    expect(page.get_by_role("alert")).to_contain_text("The ledger is on fire.")
    page.unroute("**/api/map?*")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_function(f"{MAP}?.loaded?.state === 'ready'")
    expect(page.get_by_role("alert")).to_have_count(0)

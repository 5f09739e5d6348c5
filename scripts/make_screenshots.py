"""Take the pictures of docs/images/ anew: the pages of a served library of the example documents.

    python -m scripts.make_screenshots

Needs Chromium and Pillow. Look at the pictures before they are committed.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from PIL import Image
from playwright.sync_api import Page, expect

from openbook.library import Library
from tests.web.serving import EXAMPLES, PHONE, Visit, chromium, serving, visiting

IMAGES: Final = Path(__file__).parent.parent / "docs" / "images"
QUESTION: Final = "How long is the warranty on a rebuilt wheel?"
SIZE: Final = (1280, 800)
COLOURS: Final = 128
"""Colours of a picture: enough for text on paper, and a third of the bytes."""


_PAGES_IN_SIGHT: Final = """() => {
  const seen = [...document.querySelectorAll("img")].filter((image) => {
    const box = image.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight;
  });
  return seen.length && seen.every((image) => image.complete && image.naturalWidth);
}"""


def main() -> None:
    """Serve the example documents, visit the pages and write one picture of each."""
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="openbook-screenshots-") as folder:
        place = Path(folder) / "bicycle-kitchen"
        with Library(place) as library:
            library.add(EXAMPLES)
        with (
            serving(place, log=Path(folder) / "log") as url,
            chromium() as browser,
            visiting(browser, url) as visit,
        ):
            for name, draw in PICTURES.items():
                _write(name, draw(visit))


def _asked(visit: Visit) -> Page:
    page = visit(f"/?q={QUESTION}", size=SIZE)
    return _opened(page)


def _asked_on_a_phone(visit: Visit) -> Page:
    return _opened(visit(f"/?q={QUESTION}", theme="dark", size=PHONE, touch=True))


def _opened(page: Page) -> Page:
    page.locator(".ob-cite").first.click()
    page.wait_for_function(_PAGES_IN_SIGHT)
    page.wait_for_load_state("networkidle")
    return page


def _search(visit: Visit) -> Page:
    page = visit("/search?q=brake+pads", theme="dark", size=SIZE)
    page.get_by_label("Explain").check()
    expect(page.locator(".ob-why").first).to_be_visible()
    return page


def _documents(visit: Visit) -> Page:
    page = visit("/documents", size=SIZE)
    expect(page.locator("tbody tr").first).to_be_visible()
    return page


def _map(visit: Visit) -> Page:
    page = visit("/map", theme="dark", size=SIZE)
    expect(page.get_by_text("52 chunks in 13 documents")).to_be_visible()
    page.wait_for_load_state("networkidle")
    return page


PICTURES: Final[dict[str, Callable[[Visit], Page]]] = {
    "ask": _asked,
    "ask-phone": _asked_on_a_phone,
    "search": _search,
    "documents": _documents,
    "map": _map,
}


def _write(name: str, page: Page) -> None:
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(COLOURS).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()

"""The pages of a PDF as images that load when they come near the window, with boxes over what is cited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from openbook.errors import ReadError, UsageError
from openbook.serve.desk import Desk
from openbook.serve.originals import original_of
from openbook.serve.view.highlight import escaped
from openbook.serve.view.page_worker import Box, PageSize
from openbook.serve.view.pages import Original, has_pages, pages_of
from openbook.serve.web.layout import link
from openbook.types import Document

PIXELS: Final = 1_200
"""How wide the images are; they are shown smaller, and stay sharp on screens with small pixels."""
MOST_PAGES: Final = 1_500
"""Pages that are laid out at once. Of a longer document those around the cited one are."""


@dataclass(frozen=True, slots=True)
class PageImages:
    """All pages of a document, those laid out (1-based, from `first` on), and the boxes by page."""

    sizes: tuple[PageSize, ...]
    first: int
    boxes: tuple[tuple[int, Box], ...]


def page_images(desk: Desk, document: Document, document_id: int, start: int, end: int) -> PageImages | None:
    """The pages, with boxes over document.text[start:end]; None where they cannot be drawn."""
    if not has_pages(document):
        return None
    seen = desk.library.file_of(document_id)
    if seen is None:
        return None
    try:
        original = Original(original_of(desk, document_id), seen.content_hash)
        sizes = desk.pages.sizes(original)
        touched = pages_of(document, start, end) if end > start else ()
        boxes = tuple(
            (number, box)
            for number in touched
            for box in desk.pages.boxes(original, document, number, start=start, end=end)
        )
    except (UsageError, ReadError):  # the text is still there, and says what is missing
        return None
    middle = touched[0] if touched else 1
    return PageImages(sizes, max(1, middle - MOST_PAGES // 2), boxes)


def pages_html(desk: Desk, document_id: int, images: PageImages, number: int) -> str:
    """The pages as HTML. Each keeps its room before it is loaded, so that one can scroll to what is cited."""
    last = min(len(images.sizes), images.first + MOST_PAGES - 1)
    return "".join(_page(desk, document_id, images, page, number) for page in range(images.first, last + 1))


def _page(desk: Desk, document_id: int, images: PageImages, page: int, number: int) -> str:
    size = images.sizes[page - 1]
    address = escaped(link(desk, f"/api/documents/{document_id}/pages/{page}/image", width=PIXELS))
    label = escaped(f"Page {size.label or page}")
    boxes = "".join(_box(box, number) for on, box in images.boxes if on == page)
    shape = f"aspect-ratio: {size.width:.2f} / {size.height:.2f}"
    return (
        f'<figure class="ob-page-image" data-page="{page}" style="{shape}">'
        f'<img src="{address}" alt="{label}" loading="lazy" decoding="async">{boxes}'
        f'<figcaption class="ob-page-image__label">{label} of {len(images.sizes)}</figcaption></figure>'
    )


def _box(box: Box, number: int) -> str:
    return (
        f'<span class="ob-page__box" data-number="{number}" style="left: {box.left:.4%}; top: {box.top:.4%}; '
        f'width: {box.width:.4%}; height: {box.height:.4%}"></span>'
    )

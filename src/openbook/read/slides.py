"""PowerPoint files, read from their own XML: a mark for every slide, its title as heading, the notes below.

Refused: kreuzberg for this format. 4.10.4 never comes back from a slide whose
first bullet is indented, leaves out the speaker's notes when it marks titles,
and has to be run twice to get both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from openbook.errors import ReadError
from openbook.read.composing import Composer
from openbook.read.properties import document_title, properties
from openbook.read.xml_parts import (
    attribute,
    child,
    core_properties,
    local,
    main_part,
    number,
    relations,
    xml_part,
)
from openbook.types import Document

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_TITLES: Final = ("title", "ctrTitle")
_FURNITURE: Final = ("sldNum", "dt", "ftr", "hdr", "sldImg")
_LISTS: Final = ("body", "obj", "")
"""Placeholders whose paragraphs are bullets unless they say otherwise."""


def read_slides(data: bytes, path: str, media_type: str) -> Document:
    """Read a PowerPoint package that `check_package` has found harmless. Raises ReadError for damage."""
    composer = Composer()
    try:
        for position, part in enumerate(_slide_parts(data, path), 1):
            slide = xml_part(data, part, path)
            composer.begin_place("slide", str(position), position)
            _compose_slide(composer, slide)
            for _, kind, target in relations(data, part, path):
                if kind == "notesSlide":
                    _compose_notes(composer, xml_part(data, target, path))
    except RecursionError as error:
        raise ReadError(f"{path!r} is damaged: its shapes are nested without end.") from error
    marks = composer.marks()
    metadata = properties(core_properties(data, path))
    first = next((mark.label for mark in marks if mark.kind == "heading"), "")
    title = document_title(metadata, first, path)
    return Document(path, composer.text, media_type, title=title, marks=marks, metadata=metadata)


def _slide_parts(data: bytes, path: str) -> list[str]:
    """The slides' parts in the order in which they are shown."""
    main = main_part(data, path)
    targets = {name: target for name, kind, target in relations(data, main, path) if kind == "slide"}
    presentation = xml_part(data, main, path)
    if presentation is None:
        raise ReadError(
            f"{path!r} is damaged: the presentation inside it is missing. Save it anew with its program."
        )
    listed = child(presentation, "sldIdLst")
    # A slide has a number (id) and a relation (r:id), alike but for the namespace.
    names = [value for slide in (listed if listed is not None else ()) for value in slide.attrib.values()]
    return [targets[name] for name in names if name in targets]


def _compose_slide(composer: Composer, slide: Element | None) -> None:
    shapes = list(_shapes(child(slide, "cSld", "spTree")))
    titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
    for shape in titles:
        composer.heading(" ".join(text for _, text in _paragraphs(shape)), 1)
    for shape in shapes:
        if local(shape) == "tbl":
            composer.table(
                [
                    [_cell_text(cell) for cell in row if local(cell) == "tc"]
                    for row in shape
                    if local(row) == "tr"
                ]
            )
        elif shape not in titles and _placeholder(shape) not in _FURNITURE:
            _compose_text(composer, shape)


def _shapes(parent: Element | None) -> Iterator[Element]:
    """Shapes with text, and tables, in the order of the file; groups are looked into."""
    for element in parent if parent is not None else ():
        name = local(element)
        if name in ("sp", "cxnSp", "tbl"):
            yield element
        elif name != "Fallback":  # the same once more, for programs that cannot show the first version
            yield from _shapes(element)


def _placeholder(shape: Element) -> str | None:
    """What a shape stands for on the slide's layout; None for a free text box."""
    for part in shape:
        place = child(part, "nvPr", "ph")
        if place is not None:
            return attribute(place, "type")
    return None


def _compose_text(composer: Composer, shape: Element) -> None:
    paragraphs = list(_paragraphs(shape))
    listed = _placeholder(shape) in _LISTS and len(paragraphs) > 1
    count = 0
    for element, text in paragraphs:
        settings = child(element, "pPr")
        depth = min(number(settings, "lvl"), 8)
        if child(settings, "buAutoNum") is not None:
            count += 1
            composer.item(text, marker=f"{count}.", depth=depth)
        elif child(settings, "buChar") is not None or (listed and child(settings, "buNone") is None):
            composer.item(text, depth=depth)
        else:
            composer.paragraph(text)


def _compose_notes(composer: Composer, notes: Element | None) -> None:
    lines = [
        text
        for shape in _shapes(child(notes, "cSld", "spTree"))
        if _placeholder(shape) == "body"
        for _, text in _paragraphs(shape)
    ]
    if lines:
        composer.paragraph("Notes: " + "\n".join(lines))


def _paragraphs(shape: Element) -> Iterator[tuple[Element, str]]:
    """A shape's paragraphs that say anything, with their text."""
    body = child(shape, "txBody")
    for element in body if body is not None else ():
        if local(element) == "p":
            text = "".join(_pieces(element))
            if text.strip():
                yield element, text


def _pieces(parent: Element) -> Iterator[str]:
    for element in parent:
        name = local(element)
        if name == "t":
            yield element.text or ""
        elif name in ("br", "tab"):
            yield "\n" if name == "br" else " "
        elif name not in ("pPr", "rPr", "endParaRPr", "Fallback"):
            yield from _pieces(element)


def _cell_text(cell: Element) -> str:
    return "\n".join(text for _, text in _paragraphs(cell))

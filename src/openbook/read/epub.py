"""EPUB books: the chapters of the spine, each read as the web page that it is.

Refused: kreuzberg for this format. 4.10.4 loses definition lists, captions and
the depth of lists. Digital rights management is not broken: a book with
encrypted chapters is refused as encrypted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from openbook.errors import ReadError
from openbook.read.composing import Composer
from openbook.read.html import HtmlReader
from openbook.read.packages import encrypted, package_part
from openbook.read.properties import document_title, properties
from openbook.read.xml_parts import attribute, child, local, resolved, xml_part
from openbook.types import Document

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_PAGES: Final = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")


def read_epub(data: bytes, path: str, media_type: str) -> Document:
    """Read a book that `check_package` has found harmless. Raises ReadError for damage and encryption."""
    name = _package_name(data, path)
    package = xml_part(data, name, path)
    if package is None:
        raise ReadError(f"{path!r} is damaged: its list of chapters is missing. Download it again.")
    pages = _pages(package, name)
    composer = Composer()
    locked = _locked(data, path)
    for target in pages:
        if target in locked:
            raise encrypted(path)
        content = package_part(data, target, path)
        if content is not None:
            composer.include(HtmlReader().read(content, target))
    metadata = properties(_raw_properties(package))
    marks = composer.marks()
    first = next((mark.label for mark in marks if mark.kind == "heading"), "")
    title = document_title(metadata, first, path)
    return Document(path, composer.text, media_type, title=title, marks=marks, metadata=metadata)


def _package_name(data: bytes, path: str) -> str:
    root = xml_part(data, "META-INF/container.xml", path)
    return attribute(child(root, "rootfiles", "rootfile"), "full-path") or "content.opf"


def _pages(package: Element, name: str) -> list[str]:
    """The parts of the spine that are pages, in reading order."""
    manifest: dict[str, str] = {}
    listed = child(package, "manifest")
    for item in listed if listed is not None else ():
        if attribute(item, "media-type") in _PAGES:
            manifest[attribute(item, "id")] = resolved(
                name.rpartition("/")[0], unquote(attribute(item, "href"))
            )
    spine = child(package, "spine")
    names = [attribute(item, "idref") for item in (spine if spine is not None else ())]
    return [manifest[name] for name in dict.fromkeys(names) if name in manifest]


def _locked(data: bytes, path: str) -> set[str]:
    """The parts that are encrypted."""
    root = xml_part(data, "META-INF/encryption.xml", path)
    references = root.iter() if root is not None else ()
    return {
        unquote(attribute(element, "URI")) for element in references if local(element) == "CipherReference"
    }


def _raw_properties(package: Element) -> dict[str, object]:
    raw: dict[str, list[str]] = {}
    listed = child(package, "metadata")
    for element in listed if listed is not None else ():
        raw.setdefault(local(element), []).append(element.text or "")
    return {
        **{key: raw.get(key, [""])[0] for key in ("title", "language", "publisher", "description")},
        "authors": raw.get("creator", []),
        "keywords": raw.get("subject", []),
        "created_at": raw.get("date", [""])[0],
    }

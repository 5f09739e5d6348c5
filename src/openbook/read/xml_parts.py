"""The XML inside office files: parsed without entities, and looked at by local names.

Office Open XML has two sets of namespaces for the same elements (transitional
and strict); names without namespace fit both.

Refused: `xml.etree` with its usual parser. It expands entities that a file
declares for itself, up to limits of the C library at hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from openbook.errors import ReadError
from openbook.read.packages import package_part


def parse_xml(content: bytes, name: str, path: str) -> Element:
    """The root element of the part called `name`.

    Raises ReadError for broken XML, and for a part that declares entities of
    its own: no program writes such a thing into an office file, and it can be
    made to grow without bound.
    """
    parser = expat.ParserCreate(namespace_separator="}")
    builder = TreeBuilder()

    def refuse(*_: object) -> None:
        raise ReadError(
            f"{path!r} declares XML entities of its own in {name!r}, as attacks do. "
            "It was not read; save it anew with the program that made it if you trust it."
        )

    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.buffer_text = True
    try:
        parser.Parse(content, True)
        return builder.close()
    except (expat.ExpatError, AssertionError) as error:
        raise ReadError(
            f"{path!r} is damaged: {name!r} inside it is broken ({error}). Save it anew."
        ) from error


def xml_part(data: bytes, name: str, path: str) -> Element | None:
    """The root element of a part; None where the package has no such part."""
    content = package_part(data, name, path)
    return None if content is None else parse_xml(content, name, path)


def local(element: Element) -> str:
    """An element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def child(element: Element | None, *names: str) -> Element | None:
    """The element reached by following first children of these names; None where the way ends."""
    for name in names:
        element = (
            next((inner for inner in element if local(inner) == name), None) if element is not None else None
        )
    return element


def attribute(element: Element | None, name: str) -> str:
    """An attribute by its name without namespace; "" where it or the element is missing."""
    for key, value in element.items() if element is not None else ():
        if key.rpartition("}")[2] == name:
            return value
    return ""


def number(element: Element | None, name: str = "val") -> int:
    """An attribute as a number of at least 0; 0 where it is missing or none."""
    value = attribute(element, name)
    return int(value) if value.isascii() and value.isdigit() else 0


def relations(data: bytes, part: str, path: str) -> Iterator[tuple[str, str, str]]:
    """(id, last word of the kind, part) of what a part refers to inside the package; "" is the package."""
    folder, _, name = part.rpartition("/")
    root = xml_part(data, f"{folder}/_rels/{name}.rels".lstrip("/"), path)
    for relation in root if root is not None else ():
        target = attribute(relation, "Target")
        if attribute(relation, "TargetMode") != "External":
            kind = attribute(relation, "Type").rpartition("/")[2]
            yield attribute(relation, "Id"), kind, resolved(folder, target)


def main_part(data: bytes, path: str) -> str:
    """The part that holds the document itself. Raises ReadError where there is none."""
    for _, kind, target in relations(data, "", path):
        if kind == "officeDocument":
            return target
    raise ReadError(f"{path!r} is damaged: the document inside it is missing. Save it anew with its program.")


def core_properties(data: bytes, path: str) -> dict[str, Any]:
    """The document's properties in the raw form that `properties` takes."""
    root = xml_part(data, "docProps/core.xml", path)
    raw = {local(element): element.text or "" for element in root} if root is not None else {}
    return {
        **{
            key: raw.get(key)
            for key in ("title", "subject", "description", "keywords", "category", "language")
        },
        "authors": [raw.get("creator", "")],
        "created_at": raw.get("created"),
        "modified_at": raw.get("modified"),
    }


def resolved(folder: str, target: str) -> str:
    """A part's name from a reference relative to a folder."""
    steps = [] if target.startswith("/") else [step for step in folder.split("/") if step]
    for step in target.split("/"):
        if step == "..":
            del steps[-1:]
        elif step not in ("", "."):
            steps.append(step)
    return "/".join(steps)

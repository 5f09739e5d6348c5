"""What Word's styles and numbering say about a paragraph: heading level, list, and the number shown.

Style names are the same in every language of Word only in lower-case English
inside the file ("heading 1"), while ids are translated ("berschrift1"); so
ids are followed to names. Automatic numbers ("2.1", "b)") are no text in the
file; they are worked out here, because people cite by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from openbook.read.xml_parts import attribute, child, local, number

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_HEADING: Final = re.compile(r"heading ([1-9])")
_PLACEHOLDER: Final = re.compile(r"%([1-9])")
_ROMAN: Final = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"),
    (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_MAX_CHAIN: Final = 20

ListPlace = tuple[str, int]
"""The id of a numbering and the level in it, 0 the outermost."""


class Styles:
    """The paragraph styles of a document."""

    def __init__(self, root: Element | None) -> None:
        self._styles: dict[str, Element] = {}
        self._default = ""
        for style in root if root is not None else ():
            if local(style) == "style" and attribute(style, "type") in ("paragraph", ""):
                self._styles[attribute(style, "styleId")] = style
                if attribute(style, "default") in ("1", "true"):
                    self._default = attribute(style, "styleId")

    def paragraph(self, element: Element) -> tuple[str, int, ListPlace | None]:
        """A paragraph's style name in lower case, its heading level (0: none) and its place in a list."""
        settings = child(element, "pPr")
        own = child(settings, "pStyle")
        chain = list(self._chain(attribute(own, "val") if own is not None else self._default))
        name = _style_name(chain[0]) if chain else ""
        level, place = 0, None
        for source in (settings, *(child(style, "pPr") for style in chain)):
            if not level:
                outline = child(source, "outlineLvl")
                level = number(outline) + 1 if outline is not None and number(outline) < 9 else 0
            if place is None:
                place = _list_place(source)
        for style in chain:
            if match := _HEADING.fullmatch(_style_name(style)):
                level = int(match.group(1))
                break
        if name == "title":
            level = 1
        if place is not None and place[0] == "0":  # switched off
            place = None
        return name, level, place

    def _chain(self, style: str) -> Iterator[Element]:
        """A style and those it is based on."""
        for _ in range(_MAX_CHAIN):
            element = self._styles.get(style)
            if element is None:
                return
            yield element
            parent = child(element, "basedOn")
            if parent is None:
                return
            style = attribute(parent, "val")


class Numbering:
    """The numberings of a document, counting on with every paragraph."""

    def __init__(self, root: Element | None) -> None:
        self._kinds: dict[str, str] = {}
        self._levels: dict[tuple[str, int], tuple[str, str, int]] = {}
        self._counters: dict[str, list[int]] = {}
        for element in root if root is not None else ():
            if local(element) == "num":
                kind = child(element, "abstractNumId")
                self._kinds[attribute(element, "numId")] = attribute(kind, "val")
            elif local(element) == "abstractNum":
                for level in element:
                    if local(level) == "lvl":
                        place = (attribute(element, "abstractNumId"), number(level, "ilvl"))
                        start = child(level, "start")
                        words = (
                            attribute(child(level, "lvlText"), "val"),
                            number(start) if start is not None else 1,
                        )
                        self._levels[place] = (attribute(child(level, "numFmt"), "val"), *words)

    def label(self, name: str, level: int) -> str:
        """What Word shows in front of the next paragraph of this list: "-" for bullets, "" for nothing."""
        kind = self._kinds.get(name, "")
        form, text, _ = self._levels.get((kind, level), ("bullet", "", 1))
        if form == "none":
            return ""
        counters = self._counters.setdefault(kind, [])
        del counters[level + 1 :]
        while len(counters) <= level:
            counters.append(self._levels.get((kind, len(counters)), ("", "", 1))[2] - 1)
        counters[level] += 1
        if form == "bullet":
            return "-"

        def shown(match: re.Match[str]) -> str:
            place = int(match.group(1)) - 1
            count = max(counters[place], 1) if place < len(counters) else 1
            return _written(count, self._levels.get((kind, place), ("decimal", "", 1))[0])

        return _PLACEHOLDER.sub(shown, text).strip() or "-"


def _written(count: int, form: str) -> str:
    if form in ("lowerLetter", "upperLetter"):
        letters = chr(97 + (count - 1) % 26) * ((count - 1) // 26 + 1)
        return letters.upper() if form == "upperLetter" else letters
    if form in ("lowerRoman", "upperRoman"):
        roman = ""
        for value, sign in _ROMAN:
            roman += sign * (count // value)
            count %= value
        return roman.upper() if form == "upperRoman" else roman
    return str(count)


def _list_place(settings: Element | None) -> ListPlace | None:
    numbering = child(settings, "numPr")
    name = child(numbering, "numId")
    if name is None:
        return None
    return attribute(name, "val"), min(number(child(numbering, "ilvl")), 8)


def _style_name(style: Element) -> str:
    return attribute(child(style, "name"), "val").lower()

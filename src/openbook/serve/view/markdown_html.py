"""Markdown as sanitised HTML in which stretches of the source are known, or known to be lost.

Two characters for private use go into the source where a stretch begins and
ends, are carried through the parser and the sanitiser like letters, and tell
in the result where it is. A stretch is trusted only if they changed nothing
else (the result without them is the result of the source without them) and if
the letters and digits between them are those of the source.

Refused: looking the stretch's words up in the result, which finds the wrong
one of two equal sentences; and keeping the parser's line numbers, which say
nothing about characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product
from typing import TYPE_CHECKING, Final, TypeAlias

from openbook.serve.view.highlight import escaped
from openbook.serve.view.sanitize import checked, without_anything_active

if TYPE_CHECKING:
    from lxml.html import HtmlElement  # type: ignore[import-untyped]
    from markdown_it import MarkdownIt

Span: TypeAlias = tuple[int, int]
"""[start, end)."""

WriteText: TypeAlias = Callable[[int, int], str]
"""Writes the characters [start, end) of `Rendering.text` as HTML."""

FIRST_SIGN: Final = 0xF0000
"""The first of the characters for private use that stand for the ends of stretches."""
LAST_SIGN: Final = 0xF7FFF

_OPENING: Final = re.compile(r"(?:[ \t]*(?:>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t])))*[ \t]*")
"""What opens items and quotes. An item's number is the one part with digits, which are not shown as such."""
_INERT: Final = re.compile(
    r"\]\([^()\s]{0,2000}(?:\s+\"[^\"\n]{0,500}\")?\)|\]\[[^\]\n]{0,200}\]|</?[a-zA-Z][^<>\n]{0,2000}>"
    r"|<!--.*?-->|&\#?\w{1,32};",
    re.DOTALL,
)
"""Markup with letters in it that nobody sees: a link's address, a tag, a comment, an entity."""
_FENCE: Final = re.compile(r"^[ \t>]*(?:`{3,}|~{3,})[^\n]*", re.MULTILINE)
_MARKUP: Final = re.compile(r"(?<!\\)[*_`\[\]~#|>]")
_COUNT: Final = re.compile(r"^[ \t>]*\d{1,9}[.)](?=[ \t])", re.MULTILINE)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_VOID: Final = frozenset({"br", "hr", "wbr"})


@dataclass(frozen=True, slots=True)
class Rendering:
    """Sanitised HTML as a tree. `text` is all its text; `stretches` are where the source's are in it."""

    tree: HtmlElement
    text: str
    stretches: tuple[Span, ...]

    def html(self, write_text: WriteText) -> str:
        """The HTML, with its text written by `write_text`, checked once more."""
        return checked("".join(_written(self.tree, write_text)))


def render(source: str, stretches: Sequence[Span] = (), *, raw_html: bool = True) -> Rendering | None:
    """Render Markdown; None if one of the stretches cannot be shown exactly.

    With `raw_html` the source's own HTML is taken as such, else as text.
    """
    source = _CONTROL.sub(" ", source)
    if any(FIRST_SIGN <= ord(character) <= LAST_SIGN for character in source):
        return None
    if 2 * len(stretches) > LAST_SIGN - FIRST_SIGN:
        return None
    parser = _markdown(raw_html)
    plain = _plain(source, raw_html)
    # A stretch may begin with an item's number, or end in a link's address; these are then left out of it.
    for visible, skipping in ((source, False), (source, True), (_blanked(source), True)):
        anchors = [_anchor(visible, stretch, skipping=skipping) for stretch in stretches]
        signed = without_anything_active(parser.render(_signed(source, anchors)))
        if _unsigned(signed) != plain:
            continue
        tree = _tree(signed)
        text, places = _places("".join(_texts(tree)), len(anchors))
        pairs = list(zip(anchors, places, strict=True))
        if all(_same(source[slice(*anchor)], text[slice(*place)]) for anchor, place in pairs):
            grown = (
                _grown((visible, text), stretch, anchor, place)
                for stretch, (anchor, place) in zip(stretches, pairs, strict=True)
            )
            return Rendering(tree, text, tuple(grown))
    return None


@lru_cache(maxsize=8)
def _plain(source: str, raw_html: bool) -> str:
    """The result without signs. Whoever follows one citation into a document follows the next one too."""
    return without_anything_active(_markdown(raw_html).render(source))


@cache
def _markdown(raw_html: bool) -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": raw_html}).enable(["table", "strikethrough"])


# Signs in the source


def _blanked(source: str) -> str:
    """The source with spaces for the letters that nobody sees."""
    return _FENCE.sub(_spaces, _INERT.sub(_spaces, source))


def _spaces(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _anchor(visible: str, stretch: Span, *, skipping: bool) -> Span:
    """From the first to the last letter or digit of a stretch; behind `start` and empty if there is none.

    Signs in front of a heading's # or between two stars would change what
    these mean. `skipping` leaves out what opens an item at the line's start.
    """
    start, end = stretch
    line = visible.rfind("\n", 0, start) + 1
    if skipping and not visible[line:start].strip(" \t>"):
        opening = _OPENING.match(visible, start, end)
        start = opening.end() if opening else start
    places = [place for place in range(start, end) if visible[place].isalnum()]
    return (places[0], places[-1] + 1) if places else (start, start)


def _signed(source: str, anchors: Sequence[Span]) -> str:
    edges = [(end, 0, FIRST_SIGN + 2 * index + 1) for index, (_, end) in enumerate(anchors)]
    edges += [(start, 1, FIRST_SIGN + 2 * index) for index, (start, _) in enumerate(anchors)]
    parts: list[str] = []
    position = 0
    for place, _, sign in sorted(edges):
        parts += [source[position:place], chr(sign)]
        position = place
    return "".join([*parts, source[position:]])


def _unsigned(text: str) -> str:
    return "".join(character for character in text if not FIRST_SIGN <= ord(character) <= LAST_SIGN)


# Signs in the result


def _tree(html: str) -> HtmlElement:
    """The tree of sanitised HTML, with the words of an image in its place."""
    from lxml.html import HTMLParser, fragment_fromstring

    parser = HTMLParser(huge_tree=True, encoding="utf-8")
    tree: HtmlElement = fragment_fromstring(html.encode("utf-8"), create_parent="div", parser=parser)
    tree.set("class", "ob-rendered")
    for image in tree.iter("img"):
        alternative = image.get("alt") or ""
        image.attrib.clear()
        image.tag, image.text = "span", alternative
        image.set("class", "ob-image")
    return tree


def _texts(tree: HtmlElement) -> Iterator[str]:
    for text in tree.itertext():
        yield str(text)


def _places(signed: str, count: int) -> tuple[str, list[Span]]:
    """The text without signs, and where they were; a stretch with a lost sign is empty, at -1."""
    found: dict[int, list[int]] = {}
    parts: list[str] = []
    for character in signed:
        if FIRST_SIGN <= ord(character) <= LAST_SIGN:
            found.setdefault(ord(character) - FIRST_SIGN, []).append(len(parts))
        else:
            parts.append(character)
    places = []
    for index in range(count):
        starts, ends = found.get(2 * index, []), found.get(2 * index + 1, [])
        whole = len(starts) == len(ends) == 1 and starts[0] < ends[0]
        places.append((starts[0], ends[0]) if whole else (-1, -1))
    return "".join(parts), places


def _same(source: str, text: str) -> bool:
    """Whether both have the same letters, when what nobody sees of the source does not count."""
    wanted = _letters(text)
    patterns = (_INERT, _FENCE, _COUNT)
    for chosen in product((False, True), repeat=len(patterns)):
        part = source
        for pattern, used in zip(patterns, chosen, strict=True):
            part = pattern.sub(" ", part) if used else part
        if _letters(part) == wanted:
            return bool(wanted)
    return False


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


def _grown(texts: tuple[str, str], stretch: Span, anchor: Span, place: Span) -> Span:
    """A place with the punctuation around it that the stretch has too: quotation marks, a full stop."""
    source, text = texts
    before, behind = source[stretch[0] : anchor[0]], source[anchor[1] : stretch[1]]
    start, end = place
    if before and text.endswith(before, 0, start):
        start -= len(before)
    else:
        start -= _punctuation(text[max(start - 200, 0) : start][::-1], _MARKUP.sub("", before)[::-1])
    if behind and text.startswith(behind, end):
        end += len(behind)
    else:
        end += _punctuation(text[end : end + 200], _MARKUP.sub("", behind))
    return start, end


def _punctuation(text: str, wanted: str) -> int:
    """How many characters at the beginning of `text` are, but for spaces, found in `wanted` in that order."""
    reached = position = 0
    for count, character in enumerate(text, 1):
        if character.isspace():
            continue
        position = wanted.find(character, position) + 1
        if character.isalnum() or not position:
            break
        reached = count
    return reached


# The result as HTML


def _written(tree: HtmlElement, write_text: WriteText) -> Iterator[str]:
    """The tree as HTML. White space between blocks and rows is never handed to `write_text`."""
    from lxml.etree import iterwalk  # type: ignore[import-untyped]

    position = 0

    def words(text: str | None) -> str:
        nonlocal position
        bare = _unsigned(text or "")
        start, position = position, position + len(bare)
        return write_text(start, position) if bare.strip() else bare

    for event, element in iterwalk(tree, events=("start", "end")):
        tag = str(element.tag)
        if event == "start":
            attributes = "".join(f' {name}="{escaped(_unsigned(value))}"' for name, value in element.items())
            yield '<div class="ob-doc-scroll" tabindex="0">' if tag == "table" else ""
            yield f'<{tag}{attributes} target="_blank">' if tag == "a" else f"<{tag}{attributes}>"
            yield words(element.text)
        else:
            yield f"</{tag}>" if tag not in _VOID else ""
            yield "</div>" if tag == "table" else ""
            yield words(element.tail) if element is not tree else ""

"""Documents as resources: what a person picks in an assistant to talk about.

A document's address is `openbook://{library}/documents/{id}`; its id stays the
same when the file changes or moves. Refused: addresses made of paths, which
change, and which several sources may share.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import Final
from urllib.parse import quote, unquote

from openbook.errors import UsageError
from openbook.index.records import DocumentRecord
from openbook.serve.desk import Desk, Shelf
from openbook.serve.mcp_schemas import shown_form

TEMPLATE: Final = "openbook://{library}/documents/{id}"
PAGE: Final = 100
"""Documents of one page of the list."""
LONGEST_TEXT: Final = 240_000
"""Characters of a resource; what is longer ends with a line that says so.

Clients take messages of at most a megabyte, and a character may need four bytes.
"""

_ADDRESS: Final = re.compile(r"openbook://([^/?#]+)/documents/([0-9]{1,18})/?")
_CURSOR: Final = re.compile(r"([0-9]{1,6})-([0-9]{1,15})")
_PLAIN: Final = ("text/", "application/json", "application/xml", "application/x-ipynb")


@dataclass(frozen=True, slots=True)
class Page:
    """Some documents with their libraries' names, and the cursor that continues, None at the end."""

    documents: tuple[tuple[str, DocumentRecord], ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class ResourceText:
    """The text of a document. `media_type` is that of the text, not that of the file it came from."""

    text: str
    media_type: str


def address(library: str, document_id: int) -> str:
    """The address of a document."""
    return f"openbook://{quote(library, safe='')}/documents/{document_id}"


def page_of(shelf: Shelf, cursor: str | None) -> Page:
    """One page of the documents of all libraries, one library after the other. Raises UsageError."""
    place = _CURSOR.fullmatch(cursor or "0-0")
    desks = list(shelf)
    if place is None or int(place[1]) >= len(desks):
        raise UsageError(f"The cursor {cursor!r} is not one that this server gave. Begin without a cursor.")
    number, skipped = int(place[1]), int(place[2])
    found: list[tuple[str, DocumentRecord]] = []
    while number < len(desks):
        room = PAGE - len(found)
        more = list(islice(desks[number].documents(), skipped, skipped + room + 1))
        found += [(desks[number].name, record) for record in more[:room]]
        if len(more) > room:
            return Page(tuple(found), f"{number}-{skipped + room}")
        number, skipped = number + 1, 0
    return Page(tuple(found), None)


def text_at(shelf: Shelf, uri: str) -> ResourceText:
    """The text of the document with this address. Raises UsageError where there is none."""
    found = _ADDRESS.fullmatch(uri)
    if found is None:
        raise UsageError(f"{uri!r} is not the address of a document; expected {TEMPLATE}.")
    desk = _desk(shelf, unquote(found[1]))
    document = desk.document(int(found[2]))
    text = document.text
    if len(text) > LONGEST_TEXT:
        text = (
            f"{text[:LONGEST_TEXT]}\n\n[The first {LONGEST_TEXT} of {len(text)} characters. The tool `read` "
            f"with document={found[2]} and start={LONGEST_TEXT} shows the rest.]"
        )
    return ResourceText(shown_form(text), text_type(document.media_type))


def text_type(media_type: str) -> str:
    """The media type of a document's text: its own where the file is text, else plain text."""
    extracted = media_type == "text/html" or not media_type.startswith(_PLAIN)
    return "text/plain" if extracted else media_type


def _desk(shelf: Shelf, name: str) -> Desk:
    """The desk of this name; some clients write the names of hosts in lower case."""
    same = [desk for desk in shelf if desk.name.casefold() == name.casefold()]
    exact = [desk for desk in same if desk.name == name]
    return (exact or same or [shelf.desk(name)])[0]

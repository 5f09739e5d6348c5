"""Document properties as metadata, and the title that a person would give the document.

Every program writes its own names and date forms; here they become `title`,
`author`, `created`, `modified` (ISO 8601) and a few scalars that one may want
to filter by. Refused: copying all properties. Most are counts, flags and
names of programs, and would only be noise in `status` and in filters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from openbook.types import Scalar

_SCALARS: Final = (
    "subject",
    "description",
    "category",
    "language",
    "publisher",
    "company",
    "producer",
    "page_count",
)
_ISO: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?\s*(Z|[+-]\d\d:?\d\d)?)?"
)
_PDF_DATE: Final = re.compile(
    r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)|([+-])(\d\d)'?(\d\d)?'?)?.*"
)
_QUOTED: Final = re.compile(r'^"([^"<>@,]+)"(?= <)')
_NO_TITLE: Final = re.compile(
    r"(?i)microsoft (word|powerpoint|excel)\b.*"
    r"|(untitled|unbenannt|ohne titel|sans titre|sin título|senza titolo|sem título)\b.*"
    r"|(document|dokument|presentation|präsentation|book|mappe|doc|slide|folie|template|vorlage)\s*\d*"
    r"|(powerpoint|office)[- ](presentation|präsentation|theme)|normal(\.dotm?)?|title|titel|\(anonymous\)"
    r"|.*\.(docx?|dotm?|dotx|pptx?|potx|xlsx?|pdf|od[tsp]|indd|tex|dvi|qxd|pub|rtf|cdr|ai|e?ps|fm|wpd|tmp)"
    r"|[\W\d_]*"
)
"""Titles that a program or a template wrote, not a person."""
_HEADING_TITLE: Final = 200
"""Characters. A longer first heading is a paragraph in disguise."""


def properties(raw: Mapping[str, Any]) -> dict[str, Scalar]:
    """The properties worth keeping, under openbook's names."""
    found: dict[str, Scalar] = {}
    if title := _words(raw.get("title")):
        found["title"] = title
    authors = raw.get("authors") or [raw.get("from_email") or raw.get("created_by")]
    if author := ", ".join(name for name in map(_person, authors) if name):
        found["author"] = author
    for ours, theirs in (("created", "created_at"), ("modified", "modified_at")):
        if date := iso_date(str(raw.get(theirs) or "")):
            found[ours] = date
    if recipients := ", ".join(map(_person, raw.get("to_emails") or ())):
        found["to"] = recipients
    keywords = raw.get("keywords")
    if words := ", ".join(map(_words, keywords if isinstance(keywords, list) else [keywords])):
        found["keywords"] = words
    for key in _SCALARS:
        value = raw.get(key)
        if (isinstance(value, str) and (value := _words(value))) or (
            isinstance(value, int) and not isinstance(value, bool)
        ):
            found[key] = value
    return found


def document_title(metadata: Mapping[str, Scalar], first_heading: str, path: str) -> str:
    """The title that a person would give: property, subject of a mail, first heading or the file's name."""
    title = str(metadata.get("title", ""))
    if title and not _NO_TITLE.fullmatch(title):
        return title
    if path.lower().endswith((".eml", ".msg")) and metadata.get("subject"):
        return str(metadata["subject"])
    if first_heading and len(first_heading) <= _HEADING_TITLE:
        return first_heading
    return readable_stem(path)


def readable_stem(path: str) -> str:
    """A file's name without suffix, its separators as spaces: "price-list_2024.xlsx" → "price list 2024"."""
    name = path.rsplit("/", 1)[-1]
    stem = name.rsplit(".", 1)[0] if "." in name.lstrip(".") else name
    return " ".join(re.sub(r"[_\-.+]+", " ", stem).split()) or name


def iso_date(value: str) -> str:
    """A date in ISO 8601 from ISO, PDF ("D:2024…") or e-mail form; "" if it is none or impossible."""
    value = value.strip()
    if match := _ISO.fullmatch(value):
        year, month, day, hour, minute, second, zone = match.groups()
        return _checked(year, month, day, hour, minute, second, zone or "")
    if match := _PDF_DATE.fullmatch(value):
        year, month, day, hour, minute, second, zone, sign, zone_hours, zone_minutes = match.groups()
        zone = f"{sign}{zone_hours}:{zone_minutes or '00'}" if sign else zone or ""
        return _checked(year, month or "01", day or "01", hour, minute, second, zone)
    try:
        return parsedate_to_datetime(value).isoformat()
    except (ValueError, TypeError, IndexError):
        return ""


def _checked(
    year: str, month: str, day: str, hour: str | None, minute: str | None, second: str | None, zone: str
) -> str:
    """An ISO date (with time if `hour` is given), or "" where there is no such day or hour."""
    text = f"{year}-{month}-{day}"
    if hour is not None:
        text += f"T{hour}:{minute or '00'}:{second or '00'}{zone}"
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return ""
    return text


def _words(value: object) -> str:
    return " ".join(str(value).replace("\x00", "").split()) if value else ""


def _person(value: object) -> str:
    """A name, without the quotation marks of an e-mail's header."""
    return _QUOTED.sub(r"\1", _words(value))

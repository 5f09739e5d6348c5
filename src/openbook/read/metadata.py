"""Front matter and the choice of a title: what text files say about themselves.

Only scalars are kept, because metadata is there to be filtered by and shown.
Front matter is read as data (YAML's safe subset, TOML), within limits of size
and nesting; front matter that cannot be read is a note in the metadata and
never costs the document.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from openbook.read.decoding import Decoded, without_surrogates
from openbook.read.properties import iso_date, readable_stem
from openbook.types import Mark, Scalar

_MAX_CHARACTERS: Final = 65_536
_MAX_TOML: Final = 16_384
"""Characters of TOML, whose parser takes quadratic time for a key of many dots."""
_MAX_VALUE: Final = 2_000
"""Characters of one value. A longer one is text and stays only in the text."""
_MAX_KEYS: Final = 100
_MAX_BITS: Final = 1_024
_MAX_DEPTH: Final = 30
_YAML: Final = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_TOML: Final = re.compile(r"\+\+\+[ \t]*\n(.*?)^\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_DATE_KEYS: Final = {
    "created": ("created", "date", "pubdate", "published", "publishdate"),
    "modified": ("modified", "updated", "lastmod", "last_modified", "last-modified", "date-modified"),
}


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What stands before a document's body. `end` is the offset of the body, 0 without front matter."""

    end: int = 0
    metadata: Mapping[str, Scalar] = field(default_factory=dict)


def title_from_path(path: str) -> str:
    """A file's name as a title: "notes/data-import.qmd" → "data import"."""
    return without_surrogates(readable_stem(path))


def choose_title(metadata: Mapping[str, Scalar], marks: Iterable[Mark], path: str) -> str:
    """The title: as the metadata has it, else the first heading of level 1, the first heading, the name."""
    title = metadata.get("title")
    if isinstance(title, str) and title.strip():
        return " ".join(title.split())
    headings = [mark for mark in marks if mark.kind == "heading" and mark.label.strip()]
    chosen = next((mark for mark in headings if mark.level == 1), headings[0] if headings else None)
    return chosen.label if chosen is not None else title_from_path(path)


def encoding_note(decoded: Decoded) -> dict[str, Scalar]:
    """Metadata about an encoding that is worth a word: any but sound UTF-8."""
    return {} if decoded.encoding == "utf-8" else {"encoding": decoded.encoding}


def read_front_matter(text: str) -> FrontMatter:
    """Parse YAML (---) or TOML (+++) front matter at the very beginning of a text."""
    head = text[: _MAX_CHARACTERS + 1]
    if match := _YAML.match(head):
        return FrontMatter(match.end(), _read(match.group(1), _parse_yaml))
    if match := _TOML.match(head[:_MAX_TOML]):
        return FrontMatter(match.end(), _read(match.group(1), _parse_toml))
    return FrontMatter()


class _BadFrontMatter(ValueError):
    """Front matter that cannot be read; the message says why in a few words."""


def _read(source: str, parse: Any) -> dict[str, Scalar]:
    if not source.strip():
        return {}
    try:
        values = parse(source)
    except _BadFrontMatter as error:
        return {"front_matter_problem": str(error)}
    if values is None:  # comments only
        return {}
    if not isinstance(values, dict):
        return {"front_matter_problem": f"a mapping was expected, not {type(values).__name__}"}
    return scalars(values)


def _parse_yaml(source: str) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # plain data only
    try:
        _check_events(yaml.parse(source, Loader=loader))
        return yaml.load(source, Loader=loader)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f" in line {place.line + 2}" if place is not None else ""
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise _BadFrontMatter(f"YAML{where}: {problem}") from error
    except _BadFrontMatter:
        raise
    except (ValueError, OverflowError, TypeError, AttributeError) as error:  # impossible dates and the like
        raise _BadFrontMatter(f"YAML: {error}") from error


def _check_events(events: Iterable[Any]) -> None:
    """Refuse, before anything is built, what no front matter needs and what parsers die of.

    A few lines of aliases stand for gigabytes, and deep nesting overflows the stack of the C library.
    """
    import yaml

    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            raise _BadFrontMatter("it uses YAML aliases, which are not followed")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise _BadFrontMatter(f"it is nested more than {_MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _parse_toml(source: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(source)
    except (ValueError, RecursionError) as error:
        raise _BadFrontMatter(f"TOML: {error}") from error


def scalars(values: Mapping[Any, Any]) -> dict[str, Scalar]:
    """The values to keep: scalars, lists of scalars joined by ", ", names of authors, dates as ISO 8601."""
    found: dict[str, Scalar] = {}
    for key, value in list(values.items())[:_MAX_KEYS]:
        name = str(_scalar(key) or "")
        kept = _scalar(value)
        if kept is not None and kept != "" and 0 < len(name) <= 100:
            found[name] = kept
    _name_well_known(found)
    for key in ("lang", "language"):
        if found.get(key) is False:
            found[key] = "no"  # YAML takes the code of Norwegian for a falsehood
    return found


def _scalar(value: Any) -> Scalar | None:
    if isinstance(value, bool | int):
        if value.bit_length() > _MAX_BITS:
            return None
        return value if value.bit_length() < 64 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, str):
        text = " ".join(without_surrogates(value).replace("\0", "").split())
        return text if len(text) <= _MAX_VALUE else None
    if isinstance(value, Mapping):
        return _scalar(value.get("name")) if "name" in value else None
    if isinstance(value, list | tuple):
        parts = [str(part) for part in map(_scalar, value[:100]) if part is not None and part != ""]
        return ", ".join(parts)[:_MAX_VALUE]
    return None


def _name_well_known(found: dict[str, Scalar]) -> None:
    """Give author, created and modified their own names beside the writer's spelling."""
    by_lower = {key.lower(): value for key, value in found.items()}
    for name in ("title", "author", "language"):
        if name not in found and name in by_lower:
            found[name] = by_lower[name]
    if "author" not in found and "authors" in by_lower:
        found["author"] = by_lower["authors"]
    for name, keys in _DATE_KEYS.items():
        for key in keys:
            if date := iso_date(str(by_lower.get(key, ""))):
                found[name] = date
                break

"""The one JSON shape of every noun: what `--json` prints and what a server answers.

A dataclass becomes an object with its fields under their own names, plus the
few properties that a reader without Python would miss. Refused:
`dataclasses.asdict`, which copies values that JSON cannot hold (read-only
mappings, paths, numpy numbers) and cannot add a property; and pydantic, whose
import costs more than a whole search.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final

from openbook.types import Report, Verification

_PROPERTIES: Final[dict[type, tuple[str, ...]]] = {Report: ("counts",), Verification: ("ok",)}


def json_form(value: Any) -> Any:
    """Return `value` as dicts, lists, strings, numbers, booleans and None.

    Numbers that JSON does not know (infinity, not-a-number) become None, bytes
    become hexadecimal. Raises TypeError for anything that has no such form.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)]
        names += _PROPERTIES.get(type(value), ())
        return {name: json_form(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): json_form(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Sequence | AbstractSet):
        return [json_form(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item") and hasattr(value, "dtype"):  # a numpy number, without importing numpy
        return json_form(value.item())
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")


def json_text(value: Any, *, ascii_only: bool = False) -> str:
    """Return the JSON text of `value`, safe to print on a terminal.

    Control characters of the documents are always written as escapes, the
    8-bit ones too, so that no document can steer the terminal that shows it.
    Half of a surrogate pair, which no encoding can write, is escaped as well.
    """
    text = json.dumps(json_form(value), ensure_ascii=ascii_only, indent=2)
    return text if ascii_only else "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0x7F <= code <= 0x9F or 0xD800 <= code <= 0xDFFF or code in _TURNING:
        return f"\\u{code:04x}"
    return character


_TURNING: Final = frozenset({*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C})
"""Characters that change the direction of the text around them."""

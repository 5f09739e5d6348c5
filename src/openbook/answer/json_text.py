"""JSON in a model's reply, and JSON as an answer's text.

Models put fences around their JSON, sentences before it and commas behind its
last item. So every place where a value may begin is tried, and what is read is
forgiving about what cannot be misunderstood. What is written is one fixed
form, and says where in it each value stands, so that a citation can point
there.

Refused: repairing what is cut off or has no quotes. A guess would be a value
that nobody wrote; asking again is better.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from io import StringIO
from math import isfinite
from typing import Any, Final, TypeAlias

Json: TypeAlias = Any
"""None, bool, int, float, str, a list of these, or a dict of them by str."""
Spans: TypeAlias = dict[str, tuple[int, int]]

LONGEST_REPLY: Final = 1_000_000
DEEPEST: Final = 60
"""Lists and objects inside each other."""
_STARTS: Final = 200
"""Places of a reply at which a value is looked for."""

_FENCED: Final = re.compile(r"(?:```|~~~)[ \t]*[\w+-]*[ \t]*\n(.*?)(?:```|~~~|\Z)", re.DOTALL)
_STRING_OR_COMMA: Final = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[\]}])', re.DOTALL)


def json_values(reply: str) -> list[Json]:
    """The JSON values of a reply: the likeliest first, none twice. Empty where there is none.

    The whole reply comes first, then what is between fences, then lists and
    objects anywhere in it, the last before the first: who changes their mind
    says the final version last.
    """
    reply = reply[:LONGEST_REPLY].lstrip("\ufeff").strip()
    texts = [reply, *reversed(_FENCED.findall(reply))]
    found = [value for text in texts for value in _whole(text)]
    found += reversed(list(_scattered(reply)))
    distinct: list[Json] = []
    for value in found:
        # As text, because for Python 1, 1.0 and True are equal.
        if all(json.dumps(value) != json.dumps(other) for other in distinct):
            distinct.append(value)
    return distinct


def _whole(text: str) -> Iterator[Json]:
    try:
        yield _checked(_DECODER.decode(_without_last_commas(text)))
    except (ValueError, RecursionError):
        return


def _scattered(text: str) -> Iterator[Json]:
    """The outermost lists and objects that are complete."""
    text = _without_last_commas(text)
    place, tried = 0, 0
    while tried < _STARTS and (start := _next_start(text, place)) >= 0:
        tried += 1
        try:
            value, place = _DECODER.raw_decode(text, start)
            yield _checked(value)
        except (ValueError, RecursionError):
            place = max(place, start + 1)


def _next_start(text: str, place: int) -> int:
    starts = [start for start in (text.find("{", place), text.find("[", place)) if start >= 0]
    return min(starts, default=-1)


def _without_last_commas(text: str) -> str:
    """Without commas that nothing follows; those inside strings stay."""
    return _STRING_OR_COMMA.sub(lambda match: "" if match.group() == "," else match.group(), text)


def _constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON")


def _float(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        raise ValueError(f"{digits} is too large")
    return value


_DECODER: Final = json.JSONDecoder(strict=False, parse_constant=_constant, parse_float=_float)
"""Takes control characters inside strings, but neither NaN nor infinity."""


def _checked(value: Json) -> Json:
    """The same value, its strings fit for UTF-8. Raises ValueError where it is nested too deep."""
    return _walked(value, 0)


def _walked(value: Json, depth: int) -> Json:
    if depth > DEEPEST:
        raise ValueError(f"nested deeper than {DEEPEST}")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_walked(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_walked(key, depth + 1): _walked(item, depth + 1) for key, item in value.items()}
    return value


# -- writing -------------------------------------------------------------------


def written(value: Json) -> tuple[str, Spans]:
    """A value as JSON with an indent of two, and where each value that holds no other stands in it.

    The spans are by JSON pointer (RFC 6901): "/items/0/price". Empty lists and
    objects count as values without others.
    """
    text = StringIO()
    spans: Spans = {}
    _write(value, "", "\n", text, spans)
    return text.getvalue(), spans


def _write(value: Json, pointer: str, newline: str, text: StringIO, spans: Spans) -> None:
    inner = newline + "  "
    if isinstance(value, dict) and value:
        for index, (key, item) in enumerate(value.items()):
            text.write(f"{',' if index else '{'}{inner}{json.dumps(key, ensure_ascii=False)}: ")
            _write(item, f"{pointer}/{escaped(key)}", inner, text, spans)
        text.write(f"{newline}}}")
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            text.write(f"{',' if index else '['}{inner}")
            _write(item, f"{pointer}/{index}", inner, text, spans)
        text.write(f"{newline}]")
    else:
        start = text.tell()
        text.write(json.dumps(value, ensure_ascii=False))
        spans[pointer] = (start, text.tell())


def leaves(value: Json, pointer: str = "") -> Iterator[tuple[str, Json]]:
    """Every value that is neither list nor object, with its pointer, in order."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{pointer}/{escaped(key)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{pointer}/{index}")
    else:
        yield pointer, value


def escaped(key: str) -> str:
    """A key as a part of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def parts_of(pointer: str) -> list[str]:
    """The keys and indexes of a JSON pointer."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def at(value: Json, pointer: str) -> Json:
    """The value that a pointer names. Raises LookupError where there is none."""
    for part in parts_of(pointer):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def without(value: Json, pointers: set[str], pointer: str = "") -> Json:
    """The same value without what the pointers name: keys and items go, later items move up."""
    if isinstance(value, dict):
        kept = {key: f"{pointer}/{escaped(key)}" for key in value}
        return {
            key: without(value[key], pointers, path) for key, path in kept.items() if path not in pointers
        }
    if isinstance(value, list):
        paths = [f"{pointer}/{index}" for index in range(len(value))]
        return [
            without(item, pointers, path)
            for item, path in zip(value, paths, strict=True)
            if path not in pointers
        ]
    return value


def replaced(value: Json, changes: Mapping[str, Json], pointer: str = "") -> Json:
    """The same value with others where the pointers of `changes` lead."""
    if pointer in changes:
        return changes[pointer]
    if isinstance(value, dict):
        return {key: replaced(item, changes, f"{pointer}/{escaped(key)}") for key, item in value.items()}
    if isinstance(value, list):
        return [replaced(item, changes, f"{pointer}/{index}") for index, item in enumerate(value)]
    return value

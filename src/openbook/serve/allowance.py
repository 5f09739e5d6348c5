"""What a caller may wish of an answer: which language models write it, and which schemas it is held against.

The keys of every provider lie in the server's environment, so a caller who may
name any model may spend what none of the served libraries would, and send the
documents to a provider that nobody chose. A schema is checked by the server
itself, so it must not be one whose check never ends.

Refused: leaving this to each surface. A desk asks here, whoever calls it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from openbook.answer.schema import is_linear, referred
from openbook.errors import UsageError

QUOTES: Final = ("", "none")
"""Names of the way to answer that asks no language model."""

LONGEST_SCHEMA: Final = 20_000
"""Characters of a schema as JSON; all of it is shown to the model, at the cost of whoever runs the server."""

MOST_PARTS: Final = 5_000
"""Objects and lists of a schema, those behind references counted as often as they are referred to."""


def check_model(name: object, configured: str, allowed: Sequence[str]) -> None:
    """Raise UsageError for the name of a model that callers may not choose.

    None is the library's own choice. A model that is no name comes from a
    program that runs in this process, which may do as it likes.
    """
    if not isinstance(name, str) or name in (*QUOTES, configured, *allowed):
        return
    known = ", ".join(map(repr, dict.fromkeys(filter(None, (configured, *allowed, "none")))))
    raise UsageError(
        f"The language model {name!r} may not be chosen here. Expected one of: {known}. Whoever runs the "
        "server can allow more: openbook serve --allow-model PROVIDER:NAME"
    )


def check_schema(schema: object) -> None:
    """Raise UsageError for a JSON Schema that is too large to be shown, or to be checked, for a caller.

    That it is a schema at all is checked where it is used. What is no JSON
    comes from a program that runs in this process.
    """
    if not isinstance(schema, Mapping):
        return
    try:
        size = len(json.dumps(schema, ensure_ascii=False))
    except RecursionError:
        raise UsageError("The schema is nested too deep. Send a flatter one.") from None
    if size > LONGEST_SCHEMA:
        raise UsageError(
            f"The schema has {size:,} characters; expected at most {LONGEST_SCHEMA:,}. Ask for fewer fields "
            "at a time, or shorten their descriptions."
        )
    for count, part in enumerate(_parts(schema)):
        if count >= MOST_PARTS:
            raise UsageError(
                f"The schema has more than {MOST_PARTS:,} parts with its references followed, or refers to "
                "itself. Send one without references that multiply, or a value of a known depth."
            )
        if isinstance(part, Mapping):
            _check_keywords(part, top=part is schema)


def _parts(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Every object and list of a schema, and what they refer to each time that they do."""
    waiting: list[Any] = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += [item for item in part if isinstance(item, Mapping | list)]
        elif isinstance(part, Mapping):
            waiting += [item for item in part.values() if isinstance(item, Mapping | list)]
            for keyword in ("$ref", "$dynamicRef"):
                if isinstance(reference := part.get(keyword), str):
                    waiting.append(referred(reference, schema))
        else:
            continue
        yield part


def _check_keywords(part: Mapping[str, Any], *, top: bool) -> None:
    if not top and any(isinstance(part.get(keyword), str) for keyword in ("$id", "id")):
        raise UsageError("A part of the schema has an id of its own. Leave ids out below its top.")
    if part.get("patternProperties"):
        raise UsageError(
            "The schema has patternProperties. Name the properties, or use additionalProperties."
        )
    pattern = part.get("pattern")
    if isinstance(pattern, str) and not is_linear(pattern):
        raise UsageError(
            f"The schema's pattern {pattern[:80]!r} may take too long to check. Write it without looking "
            "around and without references to groups."
        )

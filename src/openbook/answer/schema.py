"""What a structured answer has to look like: a JSON Schema, or anything that pydantic can check.

Both become one thing: a JSON Schema that the model is shown, and a function
that finds what is wrong with a value. A schema is the user's own; it is still
checked when it is taken, so that a mistake in it does not show as a mistake of
the model's.

Refused: fetching a schema that another one refers to (references stay inside),
and a second implementation of JSON Schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from openbook.answer.json_text import Json, at, escaped, leaves, without
from openbook.errors import UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator

ProblemKind: TypeAlias = Literal["null", "missing", "other"]

MOST_PROBLEMS: Final = 20
_LONGEST_MESSAGE: Final = 200
_NESTED: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_BESIDE: Final = ("allOf", "anyOf", "oneOf")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not fit, at a JSON pointer.

    null     a null where the schema wants a value
    missing  a key that is not there
    """

    pointer: str
    message: str
    kind: ProblemKind = "other"


@dataclass(frozen=True, slots=True)
class Schema:
    """A JSON Schema, and `check`: a value → the same as the schema understands it, and what does not fit."""

    name: str
    definition: Mapping[str, Any]
    check: Callable[[Json], tuple[Json, list[Problem]]]

    @property
    def text(self) -> str:
        """The schema as a model is shown it."""
        return json.dumps(self.definition, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Settled:
    """A value held against a schema.

    `missing` are the pointers of values that the schema needs and that were
    given as null, which means that the evidence does not say them. `invented`
    are keys that the schema does not know; they are gone. `problems` are the rest.
    """

    value: Json
    problems: tuple[Problem, ...] = ()
    missing: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()


def schema_of(wished: object, name: str = "") -> Schema:
    """A schema from a JSON Schema (a mapping or a boolean), or else from a type that pydantic knows."""
    if isinstance(wished, Schema):
        return wished
    if wished is None or isinstance(wished, Mapping | bool | str | list | int | float):
        # A text above all: pydantic would run it, to find out which type it names.
        return schema_from_json(wished, name or "the schema")
    return schema_from_model(wished)


def schema_from_json(definition: object, name: str) -> Schema:
    """A schema from a JSON Schema. Raises UsageError if it is none, or refers to something outside itself."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator, extend, validator_for
    from referencing import Registry

    if definition is True:
        definition = {}
    if not isinstance(definition, Mapping):
        raise UsageError(f"{name} is no JSON Schema: it is {_kind(definition)}; expected an object.")
    definition = dict(definition)
    try:
        kind = validator_for(definition, default=Draft202012Validator)
        kind.check_schema(definition)
        _refuse_foreign_references(definition, name)
        validator = extend(kind, {"pattern": _against_pattern})(
            definition, registry=Registry(), format_checker=kind.FORMAT_CHECKER
        )
        trials: tuple[Json, ...] = (None, {}, [], "", 0)
        for trial in trials:
            list(validator.iter_errors(trial))
    except SchemaError as error:
        place = "/".join(str(part) for part in error.absolute_path)
        raise UsageError(f"{name} is no JSON Schema: at {place or 'its top'!r}, {error.message}.") from error
    except RecursionError as error:
        raise UsageError(f"{name} refers to itself without end, or is nested too deep.") from error

    def check(value: Json) -> tuple[Json, list[Problem]]:
        try:
            return value, list(_json_problems(validator.iter_errors(value)))
        except RecursionError:
            return value, [Problem("", "is nested too deep")]

    return Schema(str(definition.get("title") or name), definition, check)


def schema_from_model(model: Any) -> Schema:
    """A schema from a pydantic model, or another type that pydantic can check.

    Values are taken as that type understands them ("12" for a number), without
    what its defaults add: a default is nothing that a document says. Raises
    UsageError for what is no such type.
    """
    from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter
    from pydantic.errors import PydanticInvalidForJsonSchema

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(model)
        definition = adapter.json_schema()
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError) as error:
        raise UsageError(
            f"{model!r} is no schema. Expected a pydantic model, a type that it knows, or a JSON Schema."
        ) from error

    def check(value: Json) -> tuple[Json, list[Problem]]:
        return _understood(adapter, value)

    return Schema(getattr(model, "__name__", str(model)), definition, check)


def instance(model: type[Any], value: Json) -> Any:
    """A structured answer's value as an instance of the model that it was asked with."""
    from pydantic import TypeAdapter

    return TypeAdapter(model).validate_json(json.dumps(value))


def settle(schema: Schema, value: Json) -> Settled:
    """Hold a value against a schema: drop what it does not know, read nulls as "not said".

    A null that may be left out is left out; one that may not is missing, and
    with it the item of a list that it stands in.
    """
    value, invented = pruned(value, schema.definition)
    understood, problems = schema.check(value)
    if value is None and any(problem.kind == "null" for problem in problems):
        return Settled(None, (), ("",))
    missing: set[str] = set()
    while nulls := {problem.pointer for problem in problems if problem.kind == "null"}:
        # Items before keys: where an item goes, those behind it have other pointers afterwards.
        value = without(value, {pointer for pointer in nulls if _is_item(value, pointer)} or nulls)
        understood, problems = schema.check(value)
        missing = {problem.pointer for problem in problems if problem.kind == "missing"} & nulls
        if items := {item for pointer in missing if (item := _item_around(value, pointer))}:
            value = without(value, items)
            understood, problems = schema.check(value)
            missing = {p.pointer for p in problems if p.kind == "missing"} & (
                missing - _inside(missing, items)
            )
    rest = [problem for problem in problems if problem.pointer not in missing]
    return Settled(understood, tuple(rest[:MOST_PROBLEMS]), tuple(sorted(missing)), tuple(invented))


def _is_item(value: Json, pointer: str) -> bool:
    return isinstance(at(value, pointer.rpartition("/")[0]), list)


def _item_around(value: Json, pointer: str) -> str:
    """The pointer of the innermost list item that holds the pointer's place; "" where none does."""
    parent = pointer.rpartition("/")[0]
    while parent:
        if _is_item(value, parent):
            return parent
        parent = parent.rpartition("/")[0]
    return ""


def _inside(pointers: set[str], items: set[str]) -> set[str]:
    return {pointer for pointer in pointers if any(pointer.startswith(f"{item}/") for item in items)}


def pruned(value: Json, definition: Mapping[str, Any]) -> tuple[Json, list[str]]:
    """The value without keys that the schema does not name, and the pointers of those.

    Where a schema says that it takes further keys (`additionalProperties`,
    `patternProperties`), or names none at all, all stay.
    """
    unknown = set(_unknown(value, [definition], definition, ""))
    return without(value, unknown), sorted(unknown)


def _unknown(value: Json, schemas: Iterable[Any], root: Mapping[str, Any], pointer: str) -> Iterator[str]:
    found = _alternatives(schemas, root)
    if isinstance(value, list):
        items = [s[key] for s in found for key in ("items", "contains") if isinstance(s.get(key), Mapping)]
        for index, item in enumerate(value):
            own = [s["prefixItems"][index] for s in found if index < len(s.get("prefixItems", ()))]
            yield from _unknown(item, [*items, *own], root, f"{pointer}/{index}")
    elif isinstance(value, dict):
        open_ended = any(
            s.get(key) not in (None, False)
            for s in found
            for key in ("additionalProperties", "patternProperties", "unevaluatedProperties")
        )
        named = any("properties" in s for s in found)
        for key, item in value.items():
            own = [s["properties"][key] for s in found if key in s.get("properties", {})]
            path = f"{pointer}/{escaped(key)}"
            if own or not named or open_ended:
                extra = [s["additionalProperties"] for s in found if "additionalProperties" in s]
                yield from _unknown(item, own or extra, root, path)
            else:
                yield path


def described(definition: Mapping[str, Any], pointer: str) -> dict[str, Any]:
    """What a schema says about the value at a pointer: all keywords that apply, the first of each."""
    found = _alternatives([definition], definition)
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        inner: list[Any] = []
        for schema in found:
            if key in schema.get("properties", {}):
                inner.append(schema["properties"][key])
            elif key.isdecimal() and int(key) < len(schema.get("prefixItems", ())):
                inner.append(schema["prefixItems"][int(key)])
            elif key.isdecimal() and "items" in schema:
                inner.append(schema["items"])
            elif "additionalProperties" in schema:
                inner.append(schema["additionalProperties"])
        found = _alternatives(inner, definition)
    keywords: dict[str, Any] = {}
    for schema in found:
        keywords = {**schema, **keywords}
    return keywords


def _alternatives(schemas: Iterable[Any], root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The schemas, what they refer to, and what they are combined of; each once."""
    found: list[Mapping[str, Any]] = []
    waiting = list(schemas)
    while waiting:
        schema = waiting.pop(0)
        if not isinstance(schema, Mapping) or any(schema is other for other in found):
            continue
        found.append(schema)
        if isinstance(reference := schema.get("$ref"), str):
            waiting.append(referred(reference, root))
        for key in _BESIDE:
            waiting += schema.get(key, ())
        waiting += [schema[key] for key in ("then", "else") if key in schema]
    return found


def is_linear(pattern: str) -> bool:
    """Whether a regular expression takes no longer than the text that it is tried on is long."""
    return _linear(pattern) is not None


@lru_cache(maxsize=256)
def _linear(pattern: str) -> SchemaValidator | None:
    """The expression in pydantic's engine, which never tries twice; None for what that does not know."""
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        return None


def _against_pattern(_validator: Any, pattern: str, value: Json, _schema: Any) -> Iterator[Any]:
    """The keyword `pattern`. Python's own engine can take for ever, and nothing else runs meanwhile."""
    from jsonschema.exceptions import ValidationError

    if not isinstance(value, str):
        return
    linear = _linear(pattern)
    if not (linear.isinstance_python(value) if linear is not None else re.search(pattern, value)):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def referred(reference: str, root: Mapping[str, Any]) -> Any:
    """What a reference within the schema means; None where that is nothing."""
    from urllib.parse import unquote

    try:
        return at(root, unquote(reference.removeprefix("#")))
    except (LookupError, TypeError, ValueError):
        return None


def _refuse_foreign_references(definition: Mapping[str, Any], name: str) -> None:
    for pointer, value in leaves(dict(definition)):
        if pointer.rpartition("/")[2] in ("$ref", "$dynamicRef") and isinstance(value, str):
            inside = value == "#" or value.startswith("#/")
            if not inside or referred(value, definition) is None:
                raise UsageError(
                    f"{name} refers to {value!r}, which is not in it. References must stay inside: "
                    '"#/$defs/NAME". Nothing is fetched.'
                )


def _json_problems(errors: Iterable[Any]) -> Iterator[Problem]:
    """jsonschema's errors, by place; one for each key that is missing."""
    for error in sorted(errors, key=lambda error: [str(part) for part in error.absolute_path]):
        pointer = "".join(f"/{escaped(str(part))}" for part in error.absolute_path)
        if error.validator == "required" and isinstance(error.instance, dict):
            key = next((key for key in error.validator_value if repr(key) in error.message), "")
            yield Problem(f"{pointer}/{escaped(key)}", "is missing", "missing")
        elif error.instance is None:
            yield Problem(pointer, "is null", "null")
        else:
            yield Problem(pointer, _short(error.message))


def _understood(adapter: TypeAdapter[Any], value: Json) -> tuple[Json, list[Problem]]:
    """A value as a type of pydantic's understands it, or what that says against it."""
    from pydantic import ValidationError

    try:
        found = adapter.validate_json(json.dumps(value))
    except ValidationError as error:
        return value, [_problem(line, value) for line in error.errors(include_url=False)]
    dumped = adapter.dump_python(
        found,
        mode="json",
        by_alias=True,
        exclude_unset=True,
        exclude_computed_fields=True,
        warnings="none",
    )
    return dumped, []


def _problem(line: Mapping[str, Any], value: Json) -> Problem:
    """One of pydantic's errors, about a part of `value`."""
    location: Sequence[str | int] = line["loc"]
    if line["type"] == "missing":
        parent, _ = _place(location[:-1], value)
        return Problem(f"{parent}/{escaped(str(location[-1]))}", "is missing", "missing")
    pointer, found = _place(location, value)
    if found is None:
        return Problem(pointer, "is null", "null")
    return Problem(pointer, _short(str(line["msg"])))


def _place(location: Sequence[str | int], value: Json) -> tuple[str, Json]:
    """The pointer of a place as pydantic names it, and what is there.

    pydantic also names branches of unions, which are no places.
    """
    pointer = ""
    for part in location:
        inside = isinstance(value, dict) and part in value
        if inside or (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            value = value[part]
            pointer += f"/{escaped(str(part))}"
    return pointer, value


def _short(message: str) -> str:
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}…"


def _kind(value: object) -> str:
    return {list: "a list", str: "a string", bool: "false", type(None): "null"}.get(type(value), "a number")

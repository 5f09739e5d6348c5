"""Schemas of both kinds find what does not fit, read nulls as "not said", and refuse what is no schema."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field

from openbook.answer.schema import described, instance, pruned, schema_of, settle
from openbook.errors import UsageError


class Item(BaseModel):
    name: str
    price: float | None = None
    currency: str = "EUR"


class Offer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    seller: str = Field(title="Who sells")
    day: date | None = None
    state: Literal["open", "closed"] | None = None
    items: list[Item] = []

    @computed_field
    def count(self) -> int:
        return len(self.items)


BOTH = [
    Offer,
    {
        "type": "object",
        "required": ["seller"],
        "properties": {
            "seller": {"type": "string", "title": "Who sells"},
            "day": {"type": ["string", "null"], "format": "date"},
            "state": {"enum": ["open", "closed", None]},
            "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
        },
        "$defs": {
            "item": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "price": {"type": ["number", "null"]},
                    "currency": {"type": "string"},
                },
            }
        },
    },
]
TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
        }
    },
}


@pytest.fixture(params=BOTH, ids=["pydantic", "json schema"])
def schema(request: pytest.FixtureRequest) -> Any:
    return schema_of(request.param)


def test_a_value_that_fits_stays_as_it_is(schema: Any) -> None:
    value = {"seller": "Hall", "day": "2024-05-01", "items": [{"name": "oak", "price": 12.5}]}
    settled = settle(schema, value)
    assert (settled.value, settled.problems, settled.missing, settled.invented) == (value, (), (), ())


def test_what_does_not_fit_is_said_with_its_place(schema: Any) -> None:
    settled = settle(schema, {"seller": "Hall", "day": "soon", "state": "ajar", "items": [{"name": 7}]})
    assert sorted(p.pointer for p in settled.problems) == ["/day", "/items/0/name", "/state"]
    assert all(problem.message for problem in settled.problems)


def test_a_null_that_may_not_be_is_left_out_or_missing(schema: Any) -> None:
    items = [None, {"name": "oak", "currency": None}, {"name": None}, {"name": "ash", "price": None}, None]
    fine = settle(schema, {"seller": "Hall", "day": None, "items": items})
    assert fine.value["day"] is None
    assert fine.value["items"] == [{"name": "oak"}, {"name": "ash", "price": None}]
    assert (fine.problems, fine.missing) == ((), ())
    settled = settle(schema, {"seller": None, "items": items})
    assert (settled.problems, settled.missing) == ((), ("/seller",))


def test_a_key_that_is_missing_without_a_word_is_a_problem(schema: Any) -> None:
    settled = settle(schema, {"items": [{"price": 2}]})
    assert {(p.pointer, p.kind) for p in settled.problems} == {
        ("/seller", "missing"),
        ("/items/0/name", "missing"),
    }
    assert settled.missing == ()


def test_invented_keys_are_dropped_and_named(schema: Any) -> None:
    settled = settle(schema, {"seller": "Hall", "mood": 1, "items": [{"name": "oak", "a/b~": {"x": 1}}]})
    assert settled.value == {"seller": "Hall", "items": [{"name": "oak"}]}
    assert settled.invented == ("/items/0/a~1b~0", "/mood")
    assert settled.problems == ()


def test_null_for_the_whole_means_nothing(schema: Any) -> None:
    assert settle(schema, None).missing == ("",)


def test_what_the_schema_says_about_a_place(schema: Any) -> None:
    assert described(schema.definition, "/seller")["title"] == "Who sells"
    assert described(schema.definition, "/items/3/price") != {}
    assert described(schema.definition, "/no/such/place") == {}


class Either(BaseModel):
    one: int | list[int]
    other: Item | Offer


def test_nulls_in_unions_are_nulls_of_their_place() -> None:
    settled = settle(schema_of(Either), {"one": [1, None], "other": {"name": None, "seller": None}})
    assert settled.value["one"] == [1]
    assert settled.missing
    assert settle(schema_of(Either), {"one": None, "other": None}).missing == ("/one", "/other")


def test_pydantic_values_are_as_it_understands_them_without_its_defaults() -> None:
    schema = schema_of(Offer)
    settled = settle(schema, {"seller": "Hall", "items": [{"name": "oak", "price": "12"}]})
    assert settled.value == {"seller": "Hall", "items": [{"name": "oak", "price": 12.0}]}
    offer = instance(Offer, settled.value)
    assert isinstance(offer, Offer)
    assert (offer.items[0].price, offer.items[0].currency) == (12.0, "EUR")


@pytest.mark.parametrize(
    ("wished", "value"),
    [
        (list[Item], [{"name": "oak"}]),
        (dict[str, int], {"anything": 3}),
        (int, 3),
        ({"type": "array", "items": {"type": "integer"}}, [1, 2]),
        ({"enum": ["yes", "no"]}, "yes"),
        ({"type": "object"}, {"anything": {"at": ["all"]}}),
        ({"type": "object", "additionalProperties": {"type": "number"}}, {"a": 1}),
        ({"properties": {"a": {}}, "patternProperties": {"^x": {}}}, {"a": 1, "x1": 2}),
        ({"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}, {"a": 1, "b": 2}),
        ({"prefixItems": [{"properties": {"a": {}}}]}, [{"a": 1}]),
        (True, {"any": "thing"}),
        (TREE, {"name": "a", "children": [{"name": "b", "children": [{"name": "c"}]}]}),
    ],
    ids=str,
)
def test_schemas_of_every_shape(wished: Any, value: Any) -> None:
    settled = settle(schema_of(wished), value)
    assert (settled.value, settled.problems, settled.invented) == (value, (), ())


def test_a_tree_is_pruned_at_every_depth() -> None:
    value = {"name": "a", "x": 1, "children": [{"children": [{"y": 2, "name": "c"}]}]}
    assert pruned(value, TREE) == (
        {"name": "a", "children": [{"children": [{"name": "c"}]}]},
        ["/children/0/children/0/y", "/x"],
    )


@pytest.mark.parametrize(
    ("wished", "said"),
    [
        ({"type": "objekt"}, "is no JSON Schema: at 'type'"),
        ({"properties": []}, "is no JSON Schema: at 'properties'"),
        ({"$ref": "#"}, "refers to itself without end"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "itself"),
        ({"$ref": "#/$defs/none"}, "refers to '#/[$]defs/none', which is not in it"),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "Nothing is fetched"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "Nothing is fetched"),
        (False, "it is false"),
        (len, "is no schema"),
        ("__import__('os').abort()", "it is a string"),
        (["list"], "it is a list"),
        (None, "it is null"),
    ],
    ids=str,
)
def test_what_is_no_schema_is_refused(wished: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        schema_of(wished)


def test_a_schema_nested_without_end_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(3_000):
        deep = {"not": deep}
    with pytest.raises(UsageError, match="nested too deep"):
        schema_of(deep)

"""Structured answers of a real library: values with verbatim places, and honest gaps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from openbook.answer.language_model import ScriptedModel
from openbook.errors import ReplyBroken, UsageError
from openbook.events import ErrorEvent, RetrievalEvent, VerificationEvent
from openbook.library import Library
from openbook.settings import Settings

SETTINGS = Settings(embedder="hash:256", read_workers=1, model_threshold=0.0)
QUESTION = "Who founded the Museum of Clocks, and when?"


class Museum(BaseModel):
    founded: int
    founder: str | None = None
    visitors: int | None = None


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    documents: Path = tmp_path_factory.mktemp("documents")
    (documents / "museum.md").write_text(
        "# Museum of Clocks\n\nThe Museum of Clocks was founded in 1987 by Anna Berg.\n", encoding="utf-8"
    )
    (documents / "birds.md").write_text("# Herons\n\nThe heron eats fish and voles.\n", encoding="utf-8")
    with Library(tmp_path_factory.mktemp("library") / "l", settings=SETTINGS) as library:
        library.add(documents)
        yield library


@pytest.mark.parametrize("schema", [Museum, Museum.model_json_schema()], ids=["pydantic", "json schema"])
def test_every_value_has_its_place_in_the_documents(library: Library, schema: object) -> None:
    value = {"founded": 1987, "founder": "Anna Berg", "visitors": None}
    answer = library.ask(QUESTION, model=ScriptedModel(json.dumps(value)), schema=schema)
    assert (answer.status, answer.value, json.loads(answer.text)) == ("answered", value, value)
    assert {citation.field for citation in answer.citations} == {"/founded", "/founder"}
    numbers = {piece.number: piece for piece in answer.evidence}
    for citation in answer.citations:
        assert citation.supported
        text = library.document(numbers[citation.number].document_id).text
        assert text[citation.source_start : citation.source_end] == citation.quote
        assert "founded in 1987 by Anna Berg" in citation.quote
    assert answer.strategy == "structured"


def test_what_is_made_up_is_marked_or_with_strict_not_there(library: Library) -> None:
    reply = json.dumps({"founded": 1987, "founder": "Karl Marx", "visitors": 7})
    answer = library.ask(QUESTION, model=ScriptedModel(reply), schema=Museum)
    assert [claim.supported for claim in answer.claims] == [True, False, False]
    strict = library.ask(QUESTION, model=ScriptedModel(reply), schema=Museum, strict=True)
    assert strict.value == {"founded": 1987, "founder": None, "visitors": None}


def test_what_the_schema_needs_and_the_documents_do_not_say_is_not_found(library: Library) -> None:
    answer = library.ask(QUESTION, model=ScriptedModel('{"founded": null}'), schema=Museum)
    assert (answer.status, answer.value) == ("not_found", None)
    assert "The evidence does not say: founded." in answer.notes


def test_errors_come_after_an_event_and_wrong_schemas_before_any_request(library: Library) -> None:
    events: list[object] = []
    stream = library.ask_stream(QUESTION, model=ScriptedModel("no"), schema=Museum)
    with pytest.raises(ReplyBroken):
        events.extend(stream)
    assert isinstance(events[0], RetrievalEvent)
    assert isinstance(events[-1], ErrorEvent)
    assert not any(isinstance(event, VerificationEvent) for event in events)
    model = ScriptedModel("{}")
    with pytest.raises(UsageError, match="is no JSON Schema"):
        library.ask(QUESTION, model=model, schema={"type": "objekt"})
    assert model.seen == []

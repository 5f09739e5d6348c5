"""The LlamaIndex retriever, with LlamaIndex itself."""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from importlib import import_module

import pytest
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode

from openbook.bridges.llama_index import OpenbookRetriever
from openbook.errors import MissingExtra, UsageError
from openbook.library import Library

QUESTION = "How is a chain cleaned and oiled?"


def node_of(found: NodeWithScore) -> TextNode:
    """The node, which is always one of text."""
    assert isinstance(found.node, TextNode)
    return found.node


def test_a_node_is_a_place_with_its_text_its_score_and_its_document(library: Library) -> None:
    found = OpenbookRetriever(library, k=5).retrieve(QUESTION)
    hits = library.search(QUESTION, k=5)
    assert [one.score for one in found] == [hit.score for hit in hits]
    for one, hit in zip(found, hits, strict=True):
        node = node_of(one)
        text = library.document(hit.document_id).text
        assert text[node.start_char_idx : node.end_char_idx] == node.text == hit.text
        assert node.metadata["path"] == hit.path
        assert node.metadata["page"] == hit.page
        assert node.source_node is not None
        assert node.source_node.node_id == str(hit.document_id)
    assert len({one.node.node_id for one in found}) == 5


def test_a_model_sees_where_a_text_stands_and_no_numbers_of_the_program(library: Library) -> None:
    (found,) = OpenbookRetriever(library, k=1, where=["path=repair-handbook.pdf"]).retrieve(QUESTION)
    shown = found.node.get_content(metadata_mode=MetadataMode.LLM)
    assert shown.startswith("path: repair-handbook.pdf\ntitle: Repair handbook\nplace: p. ")
    assert node_of(found).text in shown
    assert "chunk_id" not in shown
    assert found.node.get_content(metadata_mode=MetadataMode.EMBED) == node_of(found).text


def test_conditions_and_numbers_are_those_of_a_search(library: Library) -> None:
    found = OpenbookRetriever(library, k=3, where=["path=*.md"]).retrieve(QUESTION)
    assert len(found) == 3
    assert all(one.node.metadata["path"].endswith(".md") for one in found)
    single = OpenbookRetriever(library, per_document=1).retrieve(QUESTION)
    assert len({one.node.metadata["path"] for one in single}) == len(single)


def test_an_asynchronous_call_finds_the_same(library: Library) -> None:
    retriever = OpenbookRetriever(library, k=3)

    async def twice() -> list[list[NodeWithScore]]:
        return list(await asyncio.gather(retriever.aretrieve(QUESTION), retriever.aretrieve(QUESTION)))

    expected = [one.node.node_id for one in retriever.retrieve(QUESTION)]
    assert [[one.node.node_id for one in found] for found in asyncio.run(twice())] == [expected] * 2


def test_a_query_engine_hands_places_to_a_model(library: Library) -> None:
    engine = RetrieverQueryEngine.from_args(OpenbookRetriever(library, k=2), llm=MockLLM())
    response = engine.query(QUESTION)
    hits = library.search(QUESTION, k=2)
    assert [node_of(one).text for one in response.source_nodes] == [hit.text for hit in hits]
    assert hits[0].text.strip()[:60] in str(response), "the model repeats its prompt"
    assert QUESTION in str(response)


def test_errors_of_the_library_are_raised(library: Library) -> None:
    with pytest.raises(UsageError, match="The question is empty"):
        OpenbookRetriever(library).retrieve(" ")
    with pytest.raises(UsageError, match="is not understood"):
        OpenbookRetriever(library, where=["nonsense"]).retrieve(QUESTION)


def test_nodes_travel_and_a_retriever_does_not(library: Library) -> None:
    retriever = OpenbookRetriever(library, k=2)
    found = retriever.retrieve(QUESTION)
    again = pickle.loads(pickle.dumps(found))
    assert [(one.node.node_id, one.score) for one in again] == [
        (one.node.node_id, one.score) for one in found
    ]
    assert json.loads(found[0].to_json())["node"]["text"] == node_of(found[0]).text
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(retriever)


def test_without_the_extra_the_install_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "openbook.bridges.llama_index")
    monkeypatch.setitem(sys.modules, "llama_index.core.callbacks", None)
    with pytest.raises(MissingExtra, match=r'pip install "openbook\[llama-index\]"'):
        import_module("openbook.bridges.llama_index")

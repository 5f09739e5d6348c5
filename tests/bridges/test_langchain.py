"""The LangChain retriever, with LangChain itself."""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from importlib import import_module
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.load import dumps
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from pydantic import ValidationError

from openbook.bridges.langchain import OpenbookRetriever
from openbook.errors import MissingExtra, UsageError
from openbook.library import Library

QUESTION = "How is a chain cleaned and oiled?"


def test_a_document_is_a_place_with_its_text_and_where_it_stands(library: Library) -> None:
    documents = OpenbookRetriever(library=library, k=5).invoke(QUESTION)
    hits = library.search(QUESTION, k=5)
    assert [document.page_content for document in documents] == [hit.text for hit in hits]
    for document, hit in zip(documents, hits, strict=True):
        data = document.metadata
        text = library.document(hit.document_id).text
        assert text[data["start"] : data["end"]] == document.page_content
        assert (data["path"], data["source"]) == (hit.path, hit.path)
        assert (data["page"], data["heading"], data["place"]) == (hit.page, hit.heading, hit.place)
        assert (data["score"], data["document_id"], data["chunk_id"]) == (
            hit.score,
            hit.document_id,
            hit.chunk_id,
        )
    assert len({document.id for document in documents}) == 5
    scores = [document.metadata["score"] for document in documents]
    assert scores == sorted(scores, reverse=True)


def test_number_and_conditions_come_from_the_retriever_or_from_the_call(library: Library) -> None:
    retriever = OpenbookRetriever(library=library, k=2, where=("path=*.md",))
    assert len(retriever.invoke(QUESTION)) == 2
    assert all(document.metadata["path"].endswith(".md") for document in retriever.invoke(QUESTION))
    (one,) = retriever.invoke(QUESTION, k=1, where=["path=repair-handbook.pdf"])
    assert one.metadata["path"] == "repair-handbook.pdf"
    assert one.metadata["page"] >= 1
    assert len(retriever.bind(k=1).invoke(QUESTION)) == 1
    single = OpenbookRetriever(library=library, per_document=1).invoke(QUESTION)
    assert len({document.metadata["path"] for document in single}) == len(single)


def test_asynchronous_calls_and_batches_find_the_same(library: Library) -> None:
    retriever = OpenbookRetriever(library=library, k=3)
    found = retriever.invoke(QUESTION)

    async def both() -> list[list[Document]]:
        return list(await asyncio.gather(retriever.ainvoke(QUESTION), retriever.ainvoke(QUESTION, k=1)))

    three, one = asyncio.run(both())
    assert three == found
    assert one == found[:1]
    assert retriever.batch([QUESTION] * 8) == [found] * 8


def test_a_chain_hands_places_to_a_model(library: Library) -> None:
    seen: list[str] = []

    class Listening(BaseCallbackHandler):
        def on_chat_model_start(self, serialized: Any, messages: Any, **_: Any) -> None:
            seen.append(str(messages[0][0].content))

        def on_retriever_end(self, documents: Any, **_: Any) -> None:
            seen.append(f"{len(documents)} documents")

    retriever = OpenbookRetriever(library=library, k=2)
    chain = (
        {
            "places": retriever | (lambda documents: "\n".join(d.page_content for d in documents)),
            "question": RunnablePassthrough(),
        }
        | ChatPromptTemplate.from_template("{places}\n\nQuestion: {question}")
        | FakeListChatModel(responses=["With a rag."])
        | StrOutputParser()
    )
    assert chain.invoke(QUESTION, config={"callbacks": [Listening()]}) == "With a rag."
    assert seen[0] == "2 documents"
    assert library.search(QUESTION, k=2)[0].text in seen[1]
    assert seen[1].endswith(f"Question: {QUESTION}")


def test_errors_of_the_library_are_raised(library: Library) -> None:
    retriever = OpenbookRetriever(library=library)
    with pytest.raises(UsageError, match="The question is empty"):
        retriever.invoke(" ")
    with pytest.raises(UsageError, match="is not understood"):
        retriever.invoke(QUESTION, where=["nonsense"])
    with pytest.raises(ValidationError, match="limit"):
        OpenbookRetriever(library=library, limit=3)  # type: ignore[call-arg]


def test_documents_travel_and_a_retriever_does_not(library: Library) -> None:
    retriever = OpenbookRetriever(library=library, k=2)
    documents = retriever.invoke(QUESTION)
    assert pickle.loads(pickle.dumps(documents)) == documents
    assert json.loads(dumps(documents[0]))["kwargs"]["page_content"] == documents[0].page_content
    assert json.loads(dumps(retriever))["type"] == "not_implemented"
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(retriever)


def test_without_the_extra_the_install_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "openbook.bridges.langchain")
    monkeypatch.setitem(sys.modules, "langchain_core.callbacks", None)
    with pytest.raises(MissingExtra, match=r'pip install "openbook\[langchain\]"'):
        import_module("openbook.bridges.langchain")

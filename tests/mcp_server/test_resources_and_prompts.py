"""Documents as resources, prompts, and what is offered while somebody types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import (
    GetPromptResult,
    ListResourcesResult,
    PromptReference,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)

from openbook.errors import UsageError
from openbook.library import Library
from openbook.serve.desk import Shelf
from openbook.serve.mcp_prompts import PROMPTS, filled
from openbook.serve.mcp_resources import LONGEST_TEXT, PAGE, address, page_of, text_at, text_type
from openbook.serve.options import ServeOptions
from tests.mcp_server.conftest import SETTINGS, TEXTS, Talk, fill, refused


def test_the_documents_of_all_libraries_are_listed_and_read(talk: Talk) -> None:
    async def visit(client: Client) -> tuple[ListResourcesResult, dict[str, Any]]:
        listed = await client.list_resources()
        texts = {}
        for resource in listed.resources:
            (content,) = (await client.read_resource(resource.uri)).contents
            assert isinstance(content, TextResourceContents)
            texts[resource.name] = (content.text, content.mime_type)
        return listed, texts

    listed, texts = talk(visit)
    assert listed.next_cursor is None
    assert [resource.name for resource in listed.resources] == [*sorted(TEXTS), "bridge.md"]
    assert {name: text for name, (text, _) in texts.items() if name in TEXTS} == TEXTS
    assert texts["birds/heron.md"][1] == "text/markdown"
    assert texts["prices.csv"][1] == "text/csv"
    assert listed.resources[0].title == "Herons"
    assert listed.resources[-1].uri.startswith("openbook://other/documents/")


def test_the_template_says_how_to_address_a_document(talk: Talk) -> None:
    async def visit(client: Client) -> str:
        (template,) = (await client.list_resource_templates()).resource_templates
        uri = template.uri_template.replace("{library}", "other").replace("{id}", "1")
        (content,) = (await client.read_resource(uri)).contents
        assert isinstance(content, TextResourceContents)
        return content.text

    assert "iron bridge" in talk(visit)


@pytest.mark.parametrize(
    "uri",
    [
        "openbook://notes/documents/999999",
        "openbook://nope/documents/1",
        "openbook://notes/documents/../../ledger.sqlite",
        "openbook://notes/documents/",
        "file:///etc/passwd",
        "openbook://notes/documents/1?x=1",
    ],
)
def test_an_address_without_a_document_is_refused(talk: Talk, uri: str) -> None:
    async def visit(client: Client) -> None:
        await client.read_resource(uri)

    message = refused(talk, visit)
    assert "999999" in message or "no library" in message or "expected openbook://{library}" in message


def test_a_wrong_cursor_is_refused(talk: Talk) -> None:
    async def visit(client: Client) -> None:
        await client.list_resources(cursor="9-0")

    assert "The cursor '9-0' is not one that this server gave." in refused(talk, visit)


def test_many_documents_are_listed_page_by_page_across_libraries(tmp_path: Path) -> None:
    many = {f"note-{number:03}.txt": f"Note {number} is about lamps." for number in range(PAGE + 5)}
    with (
        Library(tmp_path / "many notes.openbook", settings=SETTINGS) as first,
        Library(tmp_path / "Few.openbook", settings=SETTINGS) as second,
    ):
        fill(first, tmp_path / "many", many)
        fill(second, tmp_path / "few", {"a.txt": "One lamp.", "b.txt": "Two lamps."})
        shelf = Shelf.open([first, second], ServeOptions())
        pages = [page_of(shelf, None)]
        while pages[-1].next is not None:
            pages.append(page_of(shelf, pages[-1].next))
        assert [len(page.documents) for page in pages] == [PAGE, 7]
        names = [record.path for page in pages for _, record in page.documents]
        assert names == [*sorted(many), "a.txt", "b.txt"]
        library, record = pages[0].documents[0]
        uri = address(library, record.id)
        assert uri == f"openbook://many%20notes/documents/{record.id}"
        assert text_at(shelf, uri).text == "Note 0 is about lamps."
        assert text_at(shelf, "openbook://few/documents/1").text in ("One lamp.", "Two lamps.")
        for desk in shelf:
            desk.background.close()


def test_a_very_long_document_is_cut_and_says_so(place: Path) -> None:
    with Library(place / "notes.openbook", settings=SETTINGS) as library:
        text = "The mill turned. " * (LONGEST_TEXT // 17 + 100)
        fill(library, place / "documents", {**TEXTS, "mill.txt": text})
        shelf = Shelf.open([library], ServeOptions())
        record = next(shelf.desk().documents(["path=mill.txt"]))
        shown = text_at(shelf, address("notes", record.id)).text
        assert shown.startswith(text[:LONGEST_TEXT])
        assert shown.endswith(f"`read` with document={record.id} and start={LONGEST_TEXT} shows the rest.]")
        shelf.desk().background.close()


@pytest.mark.parametrize(
    ("of_file", "of_text"),
    [
        ("text/markdown", "text/markdown"),
        ("application/json", "application/json"),
        ("application/pdf", "text/plain"),
        ("text/html", "text/plain"),
    ],
)
def test_the_media_type_is_that_of_the_text(of_file: str, of_text: str) -> None:
    assert text_type(of_file) == of_text


def test_every_prompt_is_announced_and_filled_in(talk: Talk) -> None:
    async def visit(client: Client) -> list[GetPromptResult]:
        prompts = (await client.list_prompts()).prompts
        assert [prompt.name for prompt in prompts] == [prompt.name for prompt in PROMPTS]
        results = []
        for prompt in prompts:
            arguments = {argument.name: f"<{argument.name} {{x}}>" for argument in prompt.arguments or ()}
            assert any(argument.required for argument in prompt.arguments or ())
            results.append(await client.get_prompt(prompt.name, arguments))
        return results

    for prompt, result in zip(PROMPTS, talk(visit), strict=True):
        (message,) = result.messages
        assert message.role == "user"
        assert isinstance(message.content, TextContent)
        for name in (*prompt.needs, *prompt.takes):
            assert f"<{name} {{x}}>" in message.content.text
        assert "`search`" in message.content.text or "`read`" in message.content.text
        assert "Cite each statement" in message.content.text


def test_what_may_be_left_out_of_a_prompt_leaves_no_trace() -> None:
    _, text = filled("compare", {"first": "a.md", "second": "b.md", "about": " "})
    assert text.startswith("Compare two of my documents: a.md and b.md.\n")
    assert "{" not in text
    _, text = filled("compare", {"first": "a.md", "second": "b.md", "about": "prices", "library": "notes"})
    assert text.startswith(
        'Compare two of my documents (library "notes"): a.md and b.md, looking at: prices.'
    )


def test_a_prompt_that_cannot_be_filled_in_is_refused(talk: Talk) -> None:
    async def unknown(client: Client) -> None:
        await client.get_prompt("sing", {})

    async def empty(client: Client) -> None:
        await client.get_prompt("answer_from_documents", {"question": " "})

    async def strange(client: Client) -> None:
        await client.get_prompt("answer_from_documents", {"question": "x", "tone": "loud"})

    assert "There is no prompt 'sing'. The prompts are: answer_from_documents" in refused(talk, unknown)
    assert "needs the argument 'question': What you want to know." in refused(talk, empty)
    assert "has no argument 'tone'" in refused(talk, strange)
    with pytest.raises(UsageError, match="longer than"):
        filled("answer_from_documents", {"question": "x" * 10_001})


def test_names_are_completed_while_somebody_types(talk: Talk) -> None:
    async def visit(client: Client) -> list[list[str]]:
        prompt = PromptReference(name="compare")
        template = ResourceTemplateReference(uri="openbook://{library}/documents/{id}")
        asked = [
            await client.complete(prompt, {"name": "first", "value": "BIRDS/"}),
            await client.complete(prompt, {"name": "second", "value": ""}, {"library": "other"}),
            await client.complete(prompt, {"name": "library", "value": "o"}),
            await client.complete(prompt, {"name": "about", "value": "x"}),
            await client.complete(template, {"name": "id", "value": ""}, {"library": "other"}),
        ]
        return [found.completion.values for found in asked]

    assert talk(visit) == [
        ["birds/heron.md", "birds/swift.md"],
        ["bridge.md"],
        ["notes", "other"],
        [],
        ["1"],
    ]

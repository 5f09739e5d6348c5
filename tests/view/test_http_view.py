"""Documents to look at, over HTTP: the same views, images that are asked for again, and problems in words."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from openbook.embed import HashEmbedder
from openbook.library import Library
from openbook.serve.application import create_app
from openbook.serve.desk import Shelf
from openbook.serve.options import ServeOptions
from openbook.settings import Settings
from openbook.types import Document
from tests.view.browsing import Seen

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "documents"
NAMES = ("repair-handbook.pdf", "prices-and-stock.xlsx", "welcome.md")
SETTINGS = Settings(embedder="hash:64", read_workers=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    for name in NAMES:
        shutil.copy(EXAMPLES / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def library(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = Library(tmp_path_factory.mktemp("library"), settings=SETTINGS, embedder=HashEmbedder(64))
    library.add(folder)
    library.add_documents([Document("memory.pdf", "from memory", "application/pdf")], source="memory")
    return library


@pytest.fixture(scope="module")
def client(library: Library) -> Iterator[TestClient]:
    options = ServeOptions(web=False)
    app = create_app(Shelf.open([library], options), options)
    with TestClient(app, base_url="http://127.0.0.1:8080", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def ids(library: Library) -> dict[str, int]:
    return {record.path: record.id for record in library.documents()}


def got(client: TestClient, path: str, **parameters: Any) -> Any:
    reply = client.get(f"/api/documents/{path}", params=parameters)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_view_has_the_highlight_in_both_forms(
    client: TestClient, library: Library, ids: dict[str, int]
) -> None:
    number = ids["welcome.md"]
    text = library.document(number).text
    start = text.index("lend you the tools")
    rendered = got(client, f"{number}/view", start=start, end=start + 18, number=3)
    assert (rendered["form"], rendered["pages"], rendered["place"]["words"]) == (
        "rendered",
        False,
        "Welcome to Spoke & Chain",
    )
    assert 'id="cite-3"' in rendered["html"]
    plain = got(client, f"{number}/view", start=start, end=start + 18, form="text")
    seen = Seen(plain["html"])
    assert seen.text == text
    assert seen.marked_text(1) == "lend you the tools"
    assert (plain["start"], plain["end"], plain["before"], plain["after"]) == (0, len(text), None, None)


def test_a_sheet_is_shown_as_text_also_where_rendered_is_wished_for(
    client: TestClient, library: Library, ids: dict[str, int]
) -> None:
    number = ids["prices-and-stock.xlsx"]
    start = library.document(number).text.index("warranty three months")
    view = got(client, f"{number}/view", start=start, end=start + 21, form="rendered")
    assert view["form"] == "text"
    assert Seen(view["html"]).marked_text(1) == "warranty three months"
    assert view["place"]["label"] == "Sheet Services"


def test_pages_boxes_and_images_of_a_pdf(client: TestClient, library: Library, ids: dict[str, int]) -> None:
    number = ids["repair-handbook.pdf"]
    start = library.document(number).text.index("A wheel is true when")
    pages = got(client, f"{number}/pages", start=start, end=start + 50)
    assert [page["number"] for page in pages["pages"]] == [1, 2, 3, 4]
    assert pages["highlighted"] == [2]
    boxes = got(client, f"{number}/pages/2/boxes", start=start, end=start + 50)
    assert len(boxes["boxes"]) == 1
    assert got(client, f"{number}/pages/1/boxes", start=start, end=start + 50)["boxes"] == []
    image = client.get(f"/api/documents/{number}/pages/2/image", params={"width": 300})
    assert image.headers["content-type"] == "image/png"
    assert image.headers["cache-control"] == "private, no-cache"
    assert image.content.startswith(b"\x89PNG")
    again = client.get(
        f"/api/documents/{number}/pages/2/image",
        params={"width": 300},
        headers={"If-None-Match": image.headers["etag"]},
    )
    assert (again.status_code, again.content) == (304, b"")
    wider = client.get(f"/api/documents/{number}/pages/2/image", params={"width": 301})
    assert wider.headers["etag"] != image.headers["etag"]


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("{welcome.md}/pages", 404, "file-unavailable"),
        ("{memory.pdf}/pages", 404, "file-unavailable"),
        ("{repair-handbook.pdf}/pages/9/image", 404, "page-unknown"),
        ("{repair-handbook.pdf}/pages/9/boxes?start=0&end=9", 404, "page-unknown"),
        ("{repair-handbook.pdf}/pages/1/image?width=100000", 422, "invalid-request"),
        ("{repair-handbook.pdf}/pages/0/image", 422, "invalid-request"),
        ("{repair-handbook.pdf}/view?start=-1", 422, "invalid-request"),
        ("999/view", 404, "document-unknown"),
        ("999/pages/1/image", 404, "document-unknown"),
    ],
)
def test_what_cannot_be_shown_is_a_problem_in_words(
    client: TestClient, ids: dict[str, int], path: str, status: int, kind: str
) -> None:
    for name, number in ids.items():
        path = path.replace(f"{{{name}}}", str(number))
    reply = client.get(f"/api/documents/{path}")
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["type"] == f"urn:openbook:problem:{kind}"


def test_a_file_that_changed_has_its_text_and_no_pages(
    client: TestClient, folder: Path, ids: dict[str, int]
) -> None:
    number = ids["repair-handbook.pdf"]
    file = folder / "repair-handbook.pdf"
    before = file.read_bytes()
    file.write_bytes(before + b"\n% changed")
    try:
        for path in ("pages", "pages/1/image", "pages/1/boxes?start=0&end=9"):
            reply = client.get(f"/api/documents/{number}/{path}")
            assert reply.status_code == 409
            assert reply.json()["type"] == "urn:openbook:problem:file-changed"
        assert got(client, f"{number}/view", start=0, end=15)["form"] == "text"
        file.unlink()
        assert client.get(f"/api/documents/{number}/pages").status_code == 404
    finally:
        file.write_bytes(before)
    assert got(client, f"{number}/pages")["highlighted"] == []


def test_every_operation_has_an_example_in_the_openapi_document(client: TestClient) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]
    for path in ("/view", "/pages", "/pages/{number}/boxes"):
        replies = paths[f"/documents/{{document_id}}{path}"]["get"]["responses"]
        assert replies["200"]["content"]["application/json"]["example"]
    image = paths["/documents/{document_id}/pages/{number}/image"]["get"]["responses"]
    assert {"200", "304", "404", "409"} <= set(image)

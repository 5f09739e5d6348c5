"""Documents: the list of files, texts and their parts, originals, uploads, removals that are undone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from starlette.testclient import TestClient

from openbook.library import Library
from openbook.serve.desk import Desk
from openbook.types import Document
from tests.http_api.conftest import TEXTS

Finished = Callable[[str], dict[str, Any]]
BOUNDARY = "a-line-that-parts"


def form(*parts: tuple[str, bytes], end: bytes = b"--") -> bytes:
    """The bytes of a form with these headers and contents."""
    blocks = [f"--{BOUNDARY}\r\n{headers}\r\n\r\n".encode() + content + b"\r\n" for headers, content in parts]
    return b"".join(blocks) + f"--{BOUNDARY}".encode() + end + b"\r\n"


def sent(client: TestClient, body: bytes, boundary: str = BOUNDARY) -> httpx2.Response:
    kind = f"multipart/form-data; boundary={boundary}"
    return client.post("/api/documents/upload", content=body, headers={"Content-Type": kind})


def number_of(client: TestClient, path: str) -> int:
    found = client.get("/api/documents", params={"q": path}).json()["files"]
    number: int = found[0]["document_id"]
    return number


def test_every_file_is_listed_with_its_outcome(client: TestClient) -> None:
    listed = client.get("/api/documents").json()
    by_path = {file["path"]: file for file in listed["files"]}
    assert list(by_path) == sorted(TEXTS)
    assert listed["total"] == 4
    assert listed["next_offset"] is None
    assert listed["outcomes"] == {"added": 3, "empty": 1}
    assert by_path["empty.md"]["document_id"] is None
    assert by_path["empty.md"]["reason"]
    assert by_path["empty.md"]["advice"]
    oak = by_path["oak.txt"]
    assert (oak["size"], oak["characters"], oak["advice"]) == (len(TEXTS["oak.txt"]),) * 2 + ("",)


def test_pages_and_filters_of_the_list_leave_nothing_out(client: TestClient) -> None:
    seen, offset = [], 0
    while offset is not None:
        page = client.get("/api/documents", params={"limit": 3, "offset": offset}).json()
        seen += [file["path"] for file in page["files"]]
        offset = page["next_offset"]
    assert seen == sorted(TEXTS)
    assert [f["path"] for f in client.get("/api/documents?q=HERON").json()["files"]] == ["birds/heron.md"]
    assert [f["path"] for f in client.get("/api/documents?outcome=empty").json()["files"]] == ["empty.md"]
    sizes = [f["size"] for f in client.get("/api/documents?order=size&descending=true").json()["files"]]
    assert sizes == sorted(sizes, reverse=True)


def test_a_text_is_read_whole_and_in_parts(client: TestClient) -> None:
    number = number_of(client, "heron")
    whole = client.get(f"/api/documents/{number}").json()
    assert whole["text"] == TEXTS["birds/heron.md"]
    assert [mark["label"] for mark in whole["marks"] if mark["kind"] == "heading"] == ["Herons", "Food"]
    part = client.get(f"/api/documents/{number}", params={"start": 2, "end": 8}).json()
    assert (part["text"], part["start"], part["end"]) == ("Herons", 2, 8)
    assert part["characters"] == len(whole["text"])
    assert [mark["label"] for mark in part["marks"]] == ["Herons"]
    beyond = client.get(f"/api/documents/{number}", params={"start": 10**6, "end": 3}).json()
    assert (beyond["text"], beyond["start"]) == ("", part["characters"])
    assert client.get("/api/documents/99").json()["type"] == "urn:openbook:problem:document-unknown"


def test_an_original_is_a_download_and_never_leads_out(
    client: TestClient, library: Library, documents: Path, tmp_path: Path
) -> None:
    number = number_of(client, "heron")
    reply = client.get(f"/api/documents/{number}/file")
    assert reply.content == TEXTS["birds/heron.md"].encode()
    assert reply.headers["content-disposition"] == 'attachment; filename="heron.md"'
    assert reply.headers["x-content-type-options"] == "nosniff"
    (documents / "birds/heron.md").write_text("Something that was never indexed.")
    changed = client.get(f"/api/documents/{number}/file")
    assert (changed.status_code, changed.json()["type"]) == (409, "urn:openbook:problem:file-changed")
    secret = tmp_path / "secret.txt"
    secret.write_text("nobody's business")
    (documents / "birds/heron.md").unlink()
    (documents / "birds/heron.md").symlink_to(secret)
    refused = client.get(f"/api/documents/{number}/file")
    assert (refused.status_code, refused.json()["type"]) == (404, "urn:openbook:problem:file-unavailable")
    library.add_documents([Document("../secret.txt", "It says so.", "text/plain")], source=str(tmp_path))
    made_up = number_of(client, "../secret.txt")
    assert client.get(f"/api/documents/{made_up}/file").status_code == 404


def test_files_are_sent_read_and_found(client: TestClient, finished: Finished, desk: Desk) -> None:
    files = [("files", ("otter.md", b"# Otters\n\nThe otter dives.\n")), ("files", ("\u00fc.txt", b"Owls."))]
    job = client.post("/api/documents/upload", files=files)
    assert job.status_code == 202
    done = finished(job.json()["id"])
    assert (done["state"], done["report"]["counts"]) == ("done", {"added": 2})
    found = client.post("/api/search", json={"question": "otter dives", "k": 1}).json()["hits"][0]
    assert found["path"] == "otter.md"
    assert client.get(f"/api/documents/{found['document_id']}/file").content == files[0][1][1]
    assert {path.name for path in desk.uploads.folder.iterdir()} == {"otter.md", "\u00fc.txt"}


def test_an_upload_may_hold_its_own_boundary_nearly_and_anything_else(
    client: TestClient, finished: Finished, desk: Desk
) -> None:
    content = f"almost\r\n--{BOUNDARY[:-1]}\r\n--\r\n\r\n".encode() * 3_000 + bytes(range(256)) * 400
    header = 'Content-Disposition: form-data; name="files"; filename="odd.txt"'
    other = 'Content-Disposition: form-data; name="note"'
    job = sent(client, form((other, b"no file"), (header, content), (other, b"")))
    finished(job.json()["id"])
    assert (desk.uploads.folder / "odd.txt").read_bytes() == content


def test_a_form_that_is_none_is_refused(client: TestClient, desk: Desk) -> None:
    header = 'Content-Disposition: form-data; name="files"; filename="cut.txt"'
    whole = form((header, b"text"))
    replies = [sent(client, body) for body in (whole[:-12], b"", b"no form")]
    for refused in (*replies, sent(client, whole, "x" * 400)):
        assert (refused.status_code, refused.json()["type"]) == (400, "urn:openbook:problem:body-broken")
    empty = sent(client, form(('Content-Disposition: form-data; name="a"', b"b")))
    assert (empty.status_code, empty.json()["type"]) == (422, "urn:openbook:problem:invalid-request")
    assert client.post("/api/documents/upload", json={}).status_code == 400
    assert not desk.uploads.folder.exists() or not list(desk.uploads.folder.iterdir())


def test_what_arrived_before_a_refused_file_is_read(
    client: TestClient, finished: Finished, desk: Desk
) -> None:
    desk.uploads._limit = 1_000
    files = [("files", ("small.md", b"A small newt.")), ("files", ("large.md", b"x" * 2_000))]
    refused = client.post("/api/documents/upload", files=files)
    assert (refused.status_code, refused.json()["type"]) == (413, "urn:openbook:problem:too-large")
    job = client.get("/api/jobs").json()["jobs"][0]
    assert finished(job["id"])["report"]["counts"] == {"added": 1}
    assert [path.name for path in desk.uploads.folder.iterdir()] == ["small.md"]


def test_a_removal_hides_at_once_and_can_be_undone(client: TestClient) -> None:
    number = number_of(client, "oak")
    removal = client.delete("/api/documents", params={"id": number})
    assert removal.status_code == 202
    assert removal.json()["documents"] == [number]
    assert client.get(f"/api/documents/{number}").status_code == 404
    assert not client.get("/api/documents?q=oak").json()["files"]
    hits = client.post("/api/search", json={"question": "oak acorns jays"}).json()["hits"]
    assert number not in {hit["document_id"] for hit in hits}
    assert client.get("/api/removals").json()["removals"] == [removal.json()]
    assert client.delete(f"/api/documents/{number}").status_code == 404
    assert client.post(f"/api/removals/{removal.json()['id']}/undo").json() == removal.json()
    assert client.get(f"/api/documents/{number}").status_code == 200
    again = client.post(f"/api/removals/{removal.json()['id']}/undo")
    assert (again.status_code, again.json()["type"]) == (404, "urn:openbook:problem:removal-unknown")
    assert client.post("/api/removals", json={"documents": [number, 99]}).status_code == 404

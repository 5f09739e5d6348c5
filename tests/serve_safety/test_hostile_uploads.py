"""Hostile files and paths, sent to the real surfaces over a real socket: none of them leaves its place."""

from __future__ import annotations

import io
import json
import resource
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from openbook.library import Library
from openbook.serve.application import create_app
from openbook.serve.desk import Shelf
from openbook.serve.options import ServeOptions
from openbook.settings import Settings
from tests.serve_safety.serving import Address, Reply, answer_of, call, connected, serving

LIMIT: Final = 4_000_000
"""Bytes of one upload that the servers of these tests take."""

BLOCK: Final = b"x" * 65_536
FIVE_GIGABYTES: Final = 5 * 10**9
SCRIPT: Final = "<script>alert(1)</script>"
ENDS: Final = ("done", "failed", "cancelled")
ESCAPES: Final = (
    "../../evil-1.md",
    "..\\..\\evil-2.md",
    "/etc/evil-3.md",
    "C:\\Windows\\evil-4.md",
    "..%2f..%2fevil-5.md",
    "....//....//evil-6.md",
    "a/../../../evil-7.md",
    "library/ledger.sqlite/../evil-8.md",
    ".evil-9.md",
    "evil-10.md\u202edm.exe.md",
    "~/evil-11.md",
    "file:///evil-12.md",
)
"""Names of files that lead, or seem to lead, out of a folder."""


@contextmanager
def surfaces(folder: Path, **changes: Any) -> Iterator[Address]:
    """The APIs over a new library in `folder`."""
    options = ServeOptions(port=0, web=False, upload_bytes=LIMIT, **changes)
    library = Library(folder / "library", settings=Settings(embedder="hash:64", read_workers=1))
    with serving(create_app(Shelf.open([library], options), options), options) as address:
        yield address


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything of these tests lies: the library, an allowed folder and a secret one."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("allowed", "secret"):
        (folder / name).mkdir()
    (folder / "secret" / "secret.md").write_text("The secret is out.")
    (folder / "allowed" / "link").symlink_to(folder / "secret")
    return folder


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Address]:
    with surfaces(place, folders=(place / "allowed",)) as address:
        yield address


def form(*files: tuple[str, bytes]) -> tuple[dict[str, str], bytes]:
    """Headers and body of a form with these files, their names as they are."""
    boundary = uuid.uuid4().hex
    body = b""
    for name, content in files:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"'.encode()
        body += b"\r\n\r\n" + content + b"\r\n"
    return {
        "Content-Type": f"multipart/form-data; boundary={boundary}"
    }, body + f"--{boundary}--\r\n".encode()


def upload(server: Address, *files: tuple[str, bytes]) -> Reply:
    return call(server, "POST", "/api/documents/upload", *form(*files))


def finished(server: Address, accepted: Reply) -> dict[str, Any]:
    """The job that a request began, when it has ended."""
    assert accepted.status == 202, accepted.body
    job = accepted.json
    events = call(server, "GET", f"/api/jobs/{job['id']}/events").body.decode()
    last: dict[str, Any] = json.loads(events.strip().rpartition("data: ")[2])
    assert last["state"] in ENDS
    return last


def post(server: Address, path: str, body: object) -> Reply:
    return call(server, "POST", path, {"Content-Type": "application/json"}, json.dumps(body).encode())


def everything_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_uploads_stay_in_their_folder_whatever_they_are_called(server: Address, place: Path) -> None:
    before = everything_below(place)
    job = finished(server, upload(server, *((name, b"The heron stands still.") for name in ESCAPES)))
    assert job["state"] == "done"
    assert {one["kind"] for one in job["report"]["outcomes"]} == {"added"}
    new = {Path(path) for path in everything_below(place) - before if "evil" in path}
    assert new
    assert {path.parent for path in new} == {Path("library/uploads")}
    assert not [path for path in place.parent.glob("*evil*") if not path.name.startswith("test_")]


@pytest.mark.parametrize(
    "name", ["..", ".", "", "/", "\\", "a\0.md", "a" * 5_000 + ".md", "ledger.sqlite", "CON"]
)
def test_a_name_that_is_none_harms_nothing(server: Address, place: Path, name: str) -> None:
    ledger = (place / "library" / "ledger.sqlite").stat().st_ino
    assert upload(server, (name, b"The heron stands still.")).status in (202, 400, 422)
    assert (place / "library" / "ledger.sqlite").stat().st_ino == ledger
    assert call(server, "GET", "/api/status").status == 200


@pytest.mark.parametrize(
    "folder",
    [
        "/etc",
        "/",
        "allowed/../../",
        "allowed/link",
        "../allowed",
        "allowed/../secret",
        "",
        "\0",
        "~",
        "file:///etc",
    ],
)
def test_only_folders_that_were_allowed_are_read(server: Address, place: Path, folder: str) -> None:
    wanted = folder if not folder.startswith("allowed") else f"{place}/{folder}"
    answer = post(server, "/api/sync", {"folders": [wanted]})
    assert answer.status in (403, 422), answer.body
    assert post(server, "/api/search", {"question": "secret", "where": ["path=*secret*"]}).json["hits"] == []


@pytest.mark.parametrize(
    "address",
    [
        "/api/documents/../../etc/passwd",
        "/api/documents/..%2f..%2fetc%2fpasswd",
        "/api/documents/%2e%2e/%2e%2e/etc/passwd",
        "/api/documents/-1",
        "/api/documents/1e3",
        "/api/documents/99999999999999999999999",
        "/api/documents/1%00",
        "/api/documents/%2fetc%2fpasswd/file",
        "/api/documents/1/../../../etc/passwd",
        "/api/jobs/..%2f..",
        "/etc/passwd",
        "//etc/passwd",
        "/%2e%2e/etc/passwd",
    ],
)
def test_no_address_leads_to_a_file(server: Address, address: str) -> None:
    answer = call(server, "GET", address)
    assert answer.status in (400, 404, 422)
    assert b"root:" not in answer.body


def head_of_upload(headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /api/documents/upload HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode()


def test_five_announced_gigabytes_are_refused_at_once(server: Address, place: Path) -> None:
    before = everything_below(place)
    headers, _ = form(("big.md", b""))
    with connected(server) as connection:
        connection.sendall(head_of_upload({**headers, "Content-Length": str(FIVE_GIGABYTES)}))
        assert answer_of(connection).status == 413
    assert everything_below(place) == before


def test_five_unannounced_gigabytes_stop_at_the_limit_and_leave_nothing(tmp_path: Path) -> None:
    headers, body = form(("big.md", BLOCK))
    start = body[: body.index(BLOCK)]
    sent = 0
    with surfaces(tmp_path) as server, connected(server) as connection:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        connection.sendall(head_of_upload({**headers, "Transfer-Encoding": "chunked"}))
        connection.sendall(b"%x\r\n%s\r\n" % (len(start), start))
        try:
            while sent < FIVE_GIGABYTES:
                connection.sendall(b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK))
                sent += len(BLOCK)
        except ConnectionError:
            pass
        assert answer_of(connection).status in (0, 413), "0: it hung up as we were still sending"
        assert call(server, "GET", "/api/status").status == 200
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert LIMIT <= sent < 20 * LIMIT
    assert grown < 100_000_000
    assert not list((tmp_path / "library").glob("uploads/*"))


def test_a_zip_bomb_is_reported_and_not_unpacked(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in ("word/document.xml", "xl/worksheets/sheet1.xml", "content.xml"):
            archive.writestr(part, b"A" * 40_000_000)
    assert len(packed.getvalue()) < 200_000
    names = ("bomb.docx", "bomb.xlsx", "bomb.zip", "bomb.epub", "bomb.odt")
    with surfaces(tmp_path) as server:
        job = finished(server, upload(server, *((name, packed.getvalue()) for name in names)))
        assert call(server, "GET", "/api/status").json["documents"] == 0
    outcomes = {one["path"]: one for one in job["report"]["outcomes"]}
    assert set(outcomes) == set(names)
    for outcome in outcomes.values():
        assert outcome["kind"] in ("failed", "skipped")
        assert outcome["reason"]


def test_scripts_in_documents_and_names_stay_text(tmp_path: Path) -> None:
    files = (
        ("page.md", f"# Herons {SCRIPT}\n\nHerons stand. {SCRIPT} <img src=x onerror=alert(1)>\n".encode()),
        ("page.html", f"<html><body><p>Herons wait.</p>{SCRIPT}</body></html>".encode()),
        (
            "picture.svg",
            f'<svg xmlns="http://www.w3.org/2000/svg">{SCRIPT}<text>Herons</text></svg>'.encode(),
        ),
        (f"heron {SCRIPT}.md", b"Herons nest in trees."),
    )
    with surfaces(tmp_path) as server:
        assert finished(server, upload(server, *files))["state"] == "done"
        listed = call(server, "GET", "/api/documents")
        entries = listed.json["files"]
        assert len(entries) == len(files)
        answers = [listed, post(server, "/api/search", {"question": "herons"})]
        for entry in entries:
            if entry["document_id"]:
                answers.append(call(server, "GET", f"/api/documents/{entry['document_id']}"))
                answers.append(call(server, "GET", f"/api/documents/{entry['document_id']}/file"))
    assert len(answers) >= 8
    for answer in answers:
        assert answer.status == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        media = answer.headers["content-type"].split(";")[0]
        assert media in ("application/json", "application/octet-stream")
        if media == "application/octet-stream":
            assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("path", ["/api/search", "/api/ask"])
def test_a_huge_question_is_refused(server: Address, path: str) -> None:
    assert post(server, path, {"question": "heron " * 200_000}).status == 422
    assert post(server, path, {"question": "heron " * 1_000_000}).status == 413
    assert call(server, "GET", f"/api/search?q={'heron+' * 3_000}").status == 414


@pytest.mark.parametrize("depth", [100_000])
def test_a_body_that_is_nested_too_deeply_is_no_request(server: Address, depth: int) -> None:
    body = b'{"question": ' + b"[" * depth + b"]" * depth + b"}"
    answer = call(server, "POST", "/api/search", {"Content-Type": "application/json"}, body)
    assert answer.status in (400, 422)
    assert call(server, "GET", "/api/health").status == 200


def test_a_slow_sender_leaves_no_file_and_holds_up_nobody(tmp_path: Path) -> None:
    headers, body = form(("slow.md", b"The heron stands still. " * 10_000))
    with surfaces(tmp_path, stall_seconds=1.0) as server, connected(server) as connection:
        connection.sendall(head_of_upload({**headers, "Content-Length": str(len(body))}) + body[:100_000])
        assert call(server, "GET", "/api/status").status == 200
        assert answer_of(connection).status == 408
    assert not list((tmp_path / "library").glob("uploads/*"))

"""`openbook serve` from the outside: what it prints, how it ends, what it says where it cannot start."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from openbook.library import Library
from openbook.settings import Settings
from tests.serve_running.processes import Running, ended, started
from tests.serve_safety.serving import PATIENCE, answer_of, call, connected, websocket

API = ("--no-web",)
SETTINGS = Settings(embedder="hash:64")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with everything, asked for a token."""
    folder = tmp_path_factory.mktemp("everything")
    with started(folder, "--metrics", "--log-form", "json", "--host", "0.0.0.0") as running:
        yield running
        assert running.stop() == 0


def test_a_newcomer_gets_an_empty_library_and_is_told(tmp_path: Path) -> None:
    with started(tmp_path, *API) as running:
        assert running.said[0].endswith(str(tmp_path / ".openbook"))
        assert "empty until something is added" in running.said[0]
        assert "Ctrl-C" in running.said[1]
        assert running.said[2].strip() == f"{tmp_path.name}: {tmp_path / '.openbook'}"
        assert call(running.address, "GET", "/api/documents").json["total"] == 0
        assert call(running.address, "GET", "/metrics").status == 404, "only where it is asked for"
        assert running.stop(signal.SIGINT) == 0
        log = running.log.read_text()
    assert "Traceback" not in log
    assert [line.split()[2] for line in log.splitlines()][-2:] == ["stopping", "stopped"]


def test_several_libraries_and_a_token_that_is_not_printed(tmp_path: Path) -> None:
    token = "from-the-environment-of-the-process"
    named = ("--library", "one.openbook", "--library", "two.openbook")
    with started(tmp_path, *API, *named, OPENBOOK_TOKEN=token) as running:
        assert running.rest == ""
        assert token not in "".join(running.said)
        assert call(running.address, "GET", "/api/libraries").status == 401
        found = call(running.address, "GET", "/api/libraries", bearer(token)).json["libraries"]
        assert [one["name"] for one in found] == ["one", "two"]
        assert running.stop() == 0
        assert token not in running.log.read_text()


def test_what_is_being_sent_is_still_answered_and_no_job_outlives_the_server(tmp_path: Path) -> None:
    body = json.dumps({"question": "heron"}).encode()
    head = f"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    form = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.md"\r\n\r\nHerons\r\n--b--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    with started(tmp_path, *API) as running, connected(running.address) as connection:
        connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body[:5])
        assert call(running.address, "POST", "/api/documents/upload", kind, form).status == 202
        running.process.send_signal(signal.SIGTERM)
        while "stopping" not in running.log.read_text():
            assert running.process.poll() is None
        connection.sendall(body[5:])
        assert answer_of(connection).status == 200
        assert running.process.wait(PATIENCE) == 0
    assert [path for path in Path("/proc").glob("[0-9]*/cwd") if _leads_to(path, tmp_path)] == []
    with Library(tmp_path / ".openbook", settings=SETTINGS, create=False) as library:
        assert library.verify(repair=False).ok


def test_a_second_signal_ends_it_at_once_and_harms_nothing(tmp_path: Path) -> None:
    head = b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"
    with started(tmp_path, *API) as running, connected(running.address) as connection:
        connection.sendall(head)
        assert call(running.address, "GET", "/api/health").status == 200
        running.process.send_signal(signal.SIGINT)
        while "stopping" not in running.log.read_text():
            assert running.process.poll() is None
        assert running.stop(signal.SIGINT) == 130
    with Library(tmp_path / ".openbook", settings=SETTINGS, create=False) as library:
        assert library.verify(repair=False).ok


def test_a_port_in_use_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = ended(tmp_path, "--port", str(port))
    assert result.returncode == 2
    assert f"Port {port}" in result.stderr
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / ".openbook").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "70000"), "0 to 65535"),
        (("--host", "256.1.1.1"), "no address"),
        (("--host", "192.0.2.1"), "does not belong to this machine"),
        (("--allow", "nowhere"), "nowhere"),
    ],
)
def test_wrong_use_is_explained(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    result = ended(tmp_path, *arguments)
    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_a_short_token_is_refused(tmp_path: Path) -> None:
    result = ended(tmp_path, "--port", "0", OPENBOOK_TOKEN="secret")
    assert result.returncode == 2
    assert "6 characters" in result.stderr
    assert "secret" not in result.stderr.replace("secrets", "")


@pytest.mark.parametrize("absent", ["fastapi", "uvicorn", "nicegui", "prometheus_client"])
def test_a_missing_extra_is_named(tmp_path: Path, absent: str) -> None:
    hide = f"import sys; sys.modules[{absent!r}] = None\n"
    (tmp_path / "sitecustomize.py").write_text(hide)
    result = ended(tmp_path, "--port", "0", "--metrics", PYTHONPATH=str(tmp_path))
    assert result.returncode == 2, result.stderr
    extra = "metrics" if absent == "prometheus_client" else "serve"
    assert f'pip install "openbook[{extra}]"' in result.stderr


def test_a_token_is_made_and_printed_once(server: Running) -> None:
    token = server.rest.removeprefix("/?token=")
    assert len(token) >= 32
    assert call(server.address, "GET", "/api/documents").status == 401
    assert call(server.address, "GET", "/api/documents", {"Authorization": f"Bearer {token}"}).status == 200
    assert token not in server.log.read_text()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_browser_that_follows_the_printed_link_is_connected(server: Running) -> None:
    with sync_playwright() as playwright:
        arguments = ("--no-sandbox", "--disable-background-networking", "--disable-quic")
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        page = browser.new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"http://{server.address.named}{server.rest}")
        page.wait_for_function("window.socket && window.socket.connected")
        assert page.url == f"http://{server.address.named}/"
        assert problems == []
        browser.close()


def test_every_surface_is_behind_the_token(server: Running) -> None:
    for path in ("/api/status", "/v1/models", "/mcp", "/metrics", "/search", "/static/theme.css"):
        assert call(server.address, "GET", path).status == 401, path
    assert websocket(server.address, "/_nicegui_ws/socket.io/?EIO=4&transport=websocket").status == 401


def test_the_page_is_served_with_a_nonce_and_its_socket_only_to_itself(server: Running) -> None:
    token = bearer(server.rest.removeprefix("/?token="))
    page = call(server.address, "GET", "/", {"Accept": "text/html", **token})
    assert page.status == 200
    assert page.body.count(b"<script") == page.body.count(b'<script nonce="') > 3
    socket_path = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    foreign = {**token, "Origin": "http://evil.example"}
    assert websocket(server.address, socket_path, foreign).status == 403
    own = {**token, "Origin": f"http://{server.address.named}"}
    assert websocket(server.address, socket_path, own).status == 101


@pytest.mark.parametrize(
    "path",
    [
        "/static/../layout.py",
        "/static/..%2flayout.py",
        "/static/%2e%2e/layout.py",
        "/static/..%5clayout.py",
        "/static//etc/passwd",
        "/static/%2fetc/passwd",
        "/_nicegui/3.18.0/static/../../nicegui.py",
        "/_nicegui/3.18.0/static/..%2f..%2fnicegui.py",
        "/_nicegui/3.18.0/components/..%2f..%2f..%2fnicegui.py",
        "/_nicegui/3.18.0/resources/x/..%2f..%2fetc%2fpasswd",
    ],
)
def test_static_files_are_only_those_of_the_page(server: Running, path: str) -> None:
    answer = call(server.address, "GET", path, bearer(server.rest.removeprefix("/?token=")))
    assert b"from __future__" not in answer.body
    assert b"root:" not in answer.body
    assert answer.status == 404


def test_the_log_says_which_route_and_never_what_was_asked(server: Running) -> None:
    token = bearer(server.rest.removeprefix("/?token="))
    named = {**token, "X-Request-Id": "mine-1"}
    asked = call(server.address, "GET", "/api/search?q=zanzibar", named)
    assert asked.headers["x-request-id"] == "mine-1"
    forged = call(server.address, "GET", "/api/status", {**token, "X-Request-Id": 'a" b'})
    assert len(forged.headers["x-request-id"]) == 16
    entries = [json.loads(line) for line in server.log.read_text().splitlines()]
    entry = next(entry for entry in entries if entry.get("request") == "mine-1")
    assert entry["event"] == "request"
    assert (entry["level"], entry["method"], entry["route"], entry["status"]) == (
        "info",
        "GET",
        "/api/search",
        200,
    )
    assert entry["bytes"] == len(asked.body)
    assert entry["ms"] > 0
    assert "zanzibar" not in server.log.read_text()


def test_figures_are_those_of_what_happened(server: Running) -> None:
    token = bearer(server.rest.removeprefix("/?token="))

    def figures() -> dict[str, float]:
        text = call(server.address, "GET", "/metrics", token).body.decode()
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    before = figures()
    for _ in range(3):
        assert call(server.address, "GET", "/api/search?q=heron", token).status == 200
    assert call(server.address, "GET", "/api/documents/5", token).status == 404
    after = figures()
    library = next(name for name in after if name.startswith("openbook_library_up")).split('"')[1]
    searches = f'openbook_question_seconds_count{{kind="search",library="{library}",outcome="done"}}'
    assert after[searches] - before.get(searches, 0) == 3
    requests = 'openbook_request_seconds_count{method="GET",route="/api/search",status="200"}'
    assert after[requests] - before.get(requests, 0) == 3
    assert after[f'openbook_library_documents{{library="{library}"}}'] == 0
    assert any("/api/documents/{" in name and 'status="404"' in name for name in after)


def _leads_to(link: Path, folder: Path) -> bool:
    try:
        return link.readlink() == folder
    except OSError:
        return False

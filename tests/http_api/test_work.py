"""Jobs over HTTP: which folders may be synchronised, progress as events, cancelling, verifying."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from openbook.library import Library
from openbook.serve.desk import Desk
from tests.http_api.conftest import SETTINGS
from tests.http_api.test_asking import events_of

Finished = Callable[[str], dict[str, Any]]


def test_all_sources_are_synchronised_when_none_is_named(
    client: TestClient, finished: Finished, documents: Path
) -> None:
    (documents / "new.md").write_text("A newt is new here.")
    done = finished(client.post("/api/sync", json={}).json()["id"])
    assert (done["kind"], done["state"]) == ("sync", "done")
    assert done["report"]["counts"]["added"] == 1


def test_only_allowed_folders_are_read(
    client: TestClient, finished: Finished, documents: Path, tmp_path: Path
) -> None:
    allowed = tmp_path / "allowed"
    (allowed / "inner").mkdir(parents=True)
    (allowed / "inner" / "a.md").write_text("Allowed.")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "s.md").write_text("Secret.")
    (allowed / "link").symlink_to(secret)
    outside = (secret, allowed / "link", allowed / ".." / "secret", "allowed", "/", "~", "\U0001f600" * 999)
    for folder in outside:
        refused = client.post("/api/sync", json={"folders": [str(folder)]})
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:openbook:problem:folder-refused")
    for folder in (allowed / "inner", documents / "birds"):
        job = client.post("/api/sync", json={"folders": [str(folder)]})
        assert finished(job.json()["id"])["state"] == "done"


def test_a_sync_that_would_remove_most_asks_first(
    client: TestClient, finished: Finished, documents: Path
) -> None:
    for path in documents.rglob("*.md"):
        path.unlink()
    refused = finished(client.post("/api/sync", json={}).json()["id"])
    assert (refused["state"], refused["error_type"]) == ("failed", "PruneRefused")
    assert finished(client.post("/api/sync", json={"prune": True}).json()["id"])["state"] == "done"


def test_progress_is_events_over_a_socket(address: str, documents: Path) -> None:
    job = httpx2.post(f"{address}/api/sync", json={}).json()
    with httpx2.stream("GET", f"{address}/api/jobs/{job['id']}/events") as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        events = events_of(reply.read().decode("utf-8"))
    assert events[-1][0] == "done"
    assert all(name == event["state"] for name, event in events)
    assert events[-1][1]["report"]["counts"] == {"unchanged": 3, "empty": 1}


def test_a_job_is_cancelled(client: TestClient, desk: Desk) -> None:
    blocking = client.post("/api/sync", json={}).json()
    waiting = client.post("/api/verify", json={"repair": False}).json()
    cancelled = client.delete(f"/api/jobs/{waiting['id']}").json()
    assert cancelled["id"] == waiting["id"]
    client.get(f"/api/jobs/{waiting['id']}/events")
    assert client.get(f"/api/jobs/{waiting['id']}").json()["state"] in ("cancelled", "done")
    client.get(f"/api/jobs/{blocking['id']}/events")
    assert [job["id"] for job in client.get("/api/jobs").json()["jobs"]] == [waiting["id"], blocking["id"]]


def test_a_library_is_verified(client: TestClient, finished: Finished) -> None:
    for body in ({"repair": True}, {"repair": False}, None):
        done = finished(client.post("/api/verify", json=body).json()["id"])
        assert done["verification"]["ok"] is True
        assert done["verification"]["checked"]["documents"] == 3


@pytest.mark.parametrize("ending", ["", "/events"])
def test_an_unknown_job_is_a_problem(client: TestClient, ending: str) -> None:
    for job in ("0" * 16, "a"):
        reply = client.get(f"/api/jobs/{job}{ending}")
        assert (reply.status_code, reply.json()["type"]) == (404, "urn:openbook:problem:job-unknown")
    assert client.get(f"/api/jobs/{'%00'}{ending}").status_code == 422


def test_without_a_folder_there_is_nothing_to_synchronise(
    client: TestClient, desk: Desk, tmp_path: Path
) -> None:
    with Library(tmp_path / "bare", settings=SETTINGS) as bare:
        desk.folders._library = bare
        reply = client.post("/api/sync", json={})
    assert (reply.status_code, reply.json()["type"]) == (409, "urn:openbook:problem:nothing-to-sync")

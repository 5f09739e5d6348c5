"""Removals: gone at once for everybody, back on request, and gone for good when the time is over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from openbook.errors import UsageError
from openbook.index.lock import WriteLock
from openbook.library import Library
from openbook.serve.desk import Desk
from openbook.serve.jobs import Job, Jobs
from openbook.serve.removals import Removal
from openbook.types import Document
from tests.serve_jobs.conftest import Opener, blocks, finished

Ids = dict[str, int]


def ids(desk: Desk) -> Ids:
    return {record.path: record.id for record in desk.documents()}


def found(desk: Desk) -> set[str]:
    return {hit.path for hit in desk.search("the heron, the swift and the oak", k=100)}


@pytest.fixture
def desk(open_desk: Opener, library: Library, documents: Path) -> Desk:
    """A desk with three documents of a folder and one upload, and nothing removed unless asked."""
    library.add(documents)
    desk = open_desk()
    asyncio.run(upload(desk))
    library.add(desk.uploads.folder)
    return desk


async def upload(desk: Desk) -> Path:
    return await desk.uploads.receive("lizard.md", blocks(b"# Lizards\n\nThe lizard basks by the oak.\n"))


def carried_out(desk: Desk) -> Job:
    """Let the time be over now, and return the job that removed."""

    async def play() -> Job:
        await desk.removals.close()
        return await finished(desk.jobs, desk.jobs.jobs()[0])

    return asyncio.run(play())


def test_what_is_removed_is_hidden_everywhere_and_undone_at_once(desk: Desk) -> None:
    before = ids(desk)
    removal = desk.removals.remove([before["birds/heron.md"], before["lizard.md"]])
    assert removal.paths == ("birds/heron.md", "lizard.md")
    assert desk.removals.pending() == [removal]
    assert set(ids(desk)) == {"birds/swift.md", "oak.txt"}
    assert found(desk) == {"birds/swift.md", "oak.txt"}
    assert {one.path for one in desk.ask("What does the heron eat?").evidence} <= {
        "birds/swift.md",
        "oak.txt",
    }
    with pytest.raises(UsageError, match="being removed"):
        desk.document(before["lizard.md"])
    assert desk.removals.undo(removal.id) == removal
    assert ids(desk) == before
    assert found(desk) == set(before)
    assert desk.removals.pending_documents() == frozenset()
    assert desk.jobs.jobs() == []


def test_an_upload_goes_with_its_original(desk: Desk, library: Library) -> None:
    removal = desk.removals.remove([ids(desk)["lizard.md"]])
    assert (removal.returns, removal.originals) == (False, ("lizard.md",))
    assert "originals are deleted" in removal.note
    assert (desk.uploads.folder / "lizard.md").exists()
    job = carried_out(desk)
    assert (job.state, job.kind, job.title) == ("done", "remove", "Remove lizard.md")
    assert not (desk.uploads.folder / "lizard.md").exists()
    assert library.add(desk.uploads.folder).counts == {}
    assert "lizard.md" not in ids(desk)
    assert library.verify(repair=False).ok
    left = [file for file in library.path.rglob("*") if file.is_file() and b"basks" in file.read_bytes()]
    assert left == []


def test_what_is_uploaded_anew_while_it_is_removed_stays(desk: Desk) -> None:
    before = ids(desk)["lizard.md"]
    desk.removals.remove([before])

    async def play() -> None:
        await desk.uploads.receive("lizard.md", blocks(b"# Lizards\n\nThe new lizard sleeps.\n"))
        job = desk.jobs.submit("upload", "lizard.md", [desk.uploads.folder])
        await finished(desk.jobs, job)
        await desk.removals.close()
        await finished(desk.jobs, desk.jobs.jobs()[0])
        await finished(desk.jobs, desk.jobs.jobs()[0])

    asyncio.run(play())
    assert [job.state for job in desk.jobs.jobs()] == ["done"] * 3
    assert "sleeps" in (desk.uploads.folder / "lizard.md").read_text(encoding="utf-8")
    after = ids(desk)["lizard.md"]
    assert after != before
    assert "sleeps" in desk.document(after).text


def test_a_conversation_shows_nothing_of_what_is_removed(desk: Desk) -> None:
    chat = desk.chat()
    questions = ["Where does the lizard bask?", "Where does the heron stand?"]
    for question in ("How do you do?", *questions):
        desk.ask(question, conversation=chat, where=["title=none"] if question not in questions else ())
    assert any(piece.path == "lizard.md" for piece in chat.turns[1].answer.evidence)
    removal = desk.removals.remove([ids(desk)["lizard.md"]])
    for seen in (chat, desk.chat(chat.id)):
        assert [turn.question for turn in seen.turns] == ["How do you do?", *questions]
        assert [bool(turn.redacted) for turn in seen.turns] == [False, True, True]
        assert all("basks" not in seen.export(form) for form in ("markdown", "json", "csv"))
        assert [one.evidence for one in seen.history] == [(), (), ()]
        assert [one.answer for one in seen.history][1:] == ["", ""]
    desk.removals.undo(removal.id)
    assert any(piece.path == "lizard.md" for piece in chat.turns[1].answer.evidence)
    assert not any(turn.redacted for turn in chat.turns)


def test_a_file_of_a_folder_is_left_alone_and_said_to_return(
    desk: Desk, library: Library, documents: Path
) -> None:
    removal = desk.removals.remove([ids(desk)["oak.txt"]])
    assert (removal.returns, removal.originals) == (True, ())
    assert str(documents) in removal.note
    assert carried_out(desk).state == "done"
    assert (documents / "oak.txt").exists()
    assert "oak.txt" not in ids(desk)
    assert library.add(documents).counts == {"added": 1, "unchanged": 2}
    (documents / "oak.txt").unlink()
    removal = desk.removals.remove([ids(desk)["oak.txt"]])
    assert (removal.returns, removal.note) == (False, "")


def test_an_upload_enters_by_a_job_and_can_be_the_last_to_go(open_desk: Opener) -> None:
    desk = open_desk()
    for _ in range(2):

        async def play() -> Job:
            return await finished(desk.jobs, desk.jobs.submit("upload", "lizard.md", [await upload(desk)]))

        job = asyncio.run(play())
        assert job.report is not None
        assert job.report.counts == {"added": 1}
        assert found(desk) == {"lizard.md"}
        desk.removals.remove(list(ids(desk).values()))
        asyncio.run(desk.removals.close())
        assert asyncio.run(finished(desk.jobs, desk.jobs.jobs()[0])).state == "done"
        assert ids(desk) == {}


def test_nothing_flickers_back_while_the_job_runs(
    open_desk: Opener, library: Library, documents: Path
) -> None:
    library.add(documents)
    desk = open_desk(undo_seconds=0.0)
    target = ids(desk)["birds/heron.md"]
    seen: list[set[str]] = []

    async def play() -> None:
        desk.removals.remove([target])
        async for job in desk.jobs.watch_all():
            seen.extend([await asyncio.to_thread(found, desk), set(ids(desk))])
            if job.kind == "remove" and job.finished:
                return

    asyncio.run(play())
    assert seen
    assert all("birds/heron.md" not in paths for paths in seen)
    assert desk.removals.pending_documents() == frozenset()


def test_a_failed_removal_shows_its_documents_again(
    open_desk: Opener, library: Library, documents: Path
) -> None:
    library.add(documents)
    desk = open_desk()
    before = ids(desk)
    removal = desk.removals.remove([before["oak.txt"]])
    with WriteLock(library.path, 1.0, command="somebody else"):
        job = carried_out(desk)
    assert (job.state, job.error_type) == ("failed", "LibraryLocked")
    assert ids(desk) == before
    with pytest.raises(UsageError, match="can no longer be undone"):
        desk.removals.undo(removal.id)


def test_undoing_too_late_or_twice_is_refused(desk: Desk) -> None:
    removal = desk.removals.remove([ids(desk)["oak.txt"]])
    desk.removals.undo(removal.id)
    with pytest.raises(UsageError, match="undone already"):
        desk.removals.undo(removal.id)
    with pytest.raises(UsageError, match="'nothing'"):
        desk.removals.undo("nothing")
    removal = desk.removals.remove([ids(desk)["oak.txt"]])
    carried_out(desk)
    with pytest.raises(UsageError, match="can no longer be undone"):
        desk.removals.undo(removal.id)


@pytest.mark.parametrize("wrong", [[], [999], [1, 999], [-1]])
def test_wrong_ids_hide_nothing(desk: Desk, wrong: list[int]) -> None:
    before = ids(desk)
    with pytest.raises(UsageError):
        desk.removals.remove(wrong)
    assert ids(desk) == before


def test_a_document_is_removed_once(desk: Desk) -> None:
    oak, heron = ids(desk)["oak.txt"], ids(desk)["birds/heron.md"]
    assert desk.removals.remove([oak, oak]).documents == (oak,)
    with pytest.raises(UsageError, match=f"Document {oak} is being removed already"):
        desk.removals.remove([heron, oak])
    assert heron in ids(desk).values()


def test_what_was_removed_elsewhere_meanwhile_is_no_failure(desk: Desk, library: Library) -> None:
    before = ids(desk)
    desk.removals.remove([before["oak.txt"], before["birds/swift.md"]])
    library.remove("oak.txt")
    job = carried_out(desk)
    assert job.report is not None
    assert job.report.counts == {"removed": 1}
    assert set(ids(desk)) == {"birds/heron.md", "lizard.md"}


def test_closing_a_desk_carries_out_what_is_pending(
    open_desk: Opener, documents: Path, tmp_path: Path, library: Library
) -> None:
    other = Library(tmp_path / "other", settings=library.settings)
    other.add(documents)
    desk = Desk("other", other, open_desk().options)
    desk.removals.remove([ids(desk)["oak.txt"]])
    asyncio.run(desk.close())
    with Library(tmp_path / "other", settings=library.settings) as reopened:
        assert [record.path for record in reopened.documents()] == ["birds/heron.md", "birds/swift.md"]


def test_many_hands_remove_and_undo_at_once(desk: Desk) -> None:
    before = ids(desk)
    removed: list[Removal] = []
    refused: list[UsageError] = []

    def attempt(action: Callable[[], Removal]) -> None:
        try:
            removed.append(action())
        except UsageError as error:
            refused.append(error)

    target = before["oak.txt"]
    threads = [
        threading.Thread(target=attempt, args=(lambda: desk.removals.remove([target]),)) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(removed), len(refused)) == (1, 15)
    desk.removals.undo(removed[0].id)
    assert ids(desk) == before


def test_thousands_of_documents_are_hidden_at_once(
    open_desk: Opener, library: Library, documents: Path
) -> None:
    library.add(documents)
    library.add_documents(
        [Document(f"row{number}", f"Row {number}", f"Row {number} of a table.") for number in range(1_500)],
        source="table",
    )
    desk = open_desk()
    rows = [number for path, number in ids(desk).items() if path.startswith("row")]
    assert len(rows) == 1_500
    removal = desk.removals.remove(rows)
    assert (removal.returns, removal.note) == (False, "")
    assert found(desk) == {"birds/heron.md", "birds/swift.md", "oak.txt"}
    assert len(ids(desk)) == 3


def test_more_conditions_than_sqlite_nests_are_understood(desk: Desk) -> None:
    desk.removals.remove([ids(desk)["oak.txt"]])
    hits = desk.search("oak", where=["path~o", *(["characters>1"] * 1_500)])
    assert [hit.path for hit in hits] == ["birds/heron.md"]


def test_jobs_that_take_nothing_more_show_the_documents_again(desk: Desk) -> None:
    before = ids(desk)
    desk.removals.remove([before["oak.txt"]])
    jobs: Jobs = desk.jobs

    async def play() -> None:
        await jobs.close(0)
        with pytest.raises(UsageError, match="stopping"):
            await desk.removals.close()

    asyncio.run(play())
    assert ids(desk) == before

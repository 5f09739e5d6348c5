"""What `add` makes of a folder, run after run: one outcome a file, and the ledger in line with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from openbook.errors import PruneRefused, UsageError
from openbook.library import Library
from openbook.settings import Settings
from openbook.types import Progress, Report

Opener = Callable[..., Library]


def outcomes(report: Report) -> dict[str, str]:
    assert len({outcome.path for outcome in report.outcomes}) == len(report.outcomes)
    return {outcome.path: outcome.kind for outcome in report.outcomes}


def paths(library: Library) -> list[str]:
    return sorted(record.path for record in library.documents())


def rewrite(file: Path, text: str) -> None:
    """Change a file so that its time differs too, as time would have passed."""
    before = file.stat().st_mtime_ns
    file.write_text(text, encoding="utf-8")
    os.utime(file, ns=(before + 5_000_000_000, before + 5_000_000_000))


def test_a_new_folder_is_added_whole(open_library: Opener, documents: Path) -> None:
    report = open_library().add(documents)
    assert outcomes(report) == dict.fromkeys(
        ["birds/heron.md", "birds/swift.md", "prices.csv", "trees/oak.txt"], "added"
    )
    assert report.embedded == report.chunks > 0
    assert report.pending == 0


def test_adding_again_changes_nothing(library: Library, documents: Path) -> None:
    before = library.status()
    report = library.add(documents)
    assert set(outcomes(report).values()) == {"unchanged"}
    assert report.embedded == 0
    assert library.status().sequence == before.sequence


def test_new_changed_and_deleted_files(library: Library, documents: Path) -> None:
    (documents / "birds/crane.md").write_text("# Cranes\n\nCranes dance in March.\n", encoding="utf-8")
    rewrite(documents / "birds/swift.md", "# Swifts\n\nThe swift screams over the roofs.\n")
    (documents / "prices.csv").unlink()
    found = outcomes(library.add(documents))
    assert found["birds/crane.md"] == "added"
    assert found["birds/swift.md"] == "updated"
    assert found["prices.csv"] == "removed"
    assert found["trees/oak.txt"] == "unchanged"
    assert paths(library) == ["birds/crane.md", "birds/heron.md", "birds/swift.md", "trees/oak.txt"]
    assert library.search("who screams over roofs?")[0].path == "birds/swift.md"
    assert all("lands only" not in hit.text for hit in library.search("swift lands only to nest"))


def test_a_moved_file_keeps_its_document_and_its_vectors(library: Library, documents: Path) -> None:
    before = {record.path: record.id for record in library.documents()}
    (documents / "water").mkdir()
    (documents / "birds/heron.md").rename(documents / "water/heron.md")
    report = library.add(documents)
    assert outcomes(report)["water/heron.md"] == "moved"
    assert "birds/heron.md" not in outcomes(report)
    assert report.embedded == 0
    after = {record.path: record.id for record in library.documents()}
    assert after["water/heron.md"] == before["birds/heron.md"]
    assert library.search("grey heron", where=["path=water/*"])[0].path == "water/heron.md"


def test_reverting_a_file_embeds_nothing(library: Library, documents: Path) -> None:
    original = (documents / "trees/oak.txt").read_text(encoding="utf-8")
    rewrite(documents / "trees/oak.txt", "An elm stands there now, planted last year.\n")
    assert library.add(documents).embedded > 0
    rewrite(documents / "trees/oak.txt", original + "")
    os.utime(documents / "trees/oak.txt", ns=(1_700_000_000_000_000_000,) * 2)
    report = library.add(documents)
    assert outcomes(report)["trees/oak.txt"] == "updated"
    assert report.embedded == 0
    assert report.reused > 0


def test_a_touched_file_is_unchanged(library: Library, documents: Path) -> None:
    os.utime(documents / "trees/oak.txt", ns=(1_700_000_000_000_000_000,) * 2)
    before = library.status().sequence
    assert outcomes(library.add(documents))["trees/oak.txt"] == "unchanged"
    assert library.status().sequence == before


def test_files_without_text_end_as_empty(open_library: Opener, documents: Path) -> None:
    (documents / "blank.txt").write_text("  \n\n", encoding="utf-8")
    (documents / "nothing.md").touch()
    library = open_library()
    found = outcomes(library.add(documents))
    assert found["blank.txt"] == found["nothing.md"] == "empty"
    again = library.add(documents)
    assert outcomes(again)["blank.txt"] == "empty"
    assert {problem.path for problem in library.status().problems} == {"blank.txt", "nothing.md"}


def test_a_failing_file_stops_nothing_and_says_why(open_library: Opener, documents: Path) -> None:
    (documents / "broken.docx").write_bytes(b"PK\x03\x04 cut short")
    library = open_library()
    report = library.add(documents)
    assert outcomes(report)["broken.docx"] == "failed"
    assert report.counts == {"added": 4, "failed": 1}
    assert report.failures[0].reason


def test_a_file_that_turns_bad_keeps_its_readable_version(library: Library, documents: Path) -> None:
    heron = documents / "birds/heron.md"
    content = heron.read_text(encoding="utf-8")
    heron.unlink()
    heron.symlink_to(documents / "nowhere.md")
    report = library.add(documents)
    failed = next(outcome for outcome in report.outcomes if outcome.path == "birds/heron.md")
    assert failed.kind == "failed"
    assert "stays searchable" in failed.reason
    assert library.search("grey heron")[0].path == "birds/heron.md"
    heron.unlink()
    heron.write_text(content, encoding="utf-8")
    assert outcomes(library.add(documents))["birds/heron.md"] == "unchanged"


def test_too_large_files_are_skipped_with_the_reason(
    tmp_path: Path, documents: Path, settings: Settings
) -> None:
    settings = settings.updated({"max_file_bytes": 100}, source="this test")
    with Library(tmp_path / "small", settings=settings) as library:
        report = library.add(documents)
    skipped = {outcome.path: outcome.reason for outcome in report.outcomes if outcome.kind == "skipped"}
    assert set(skipped) == {"birds/heron.md"}
    assert "100" in skipped["birds/heron.md"]


def test_an_emptied_folder_never_empties_the_library(library: Library, documents: Path) -> None:
    for file in documents.rglob("*.*"):
        file.unlink()
    with pytest.raises(PruneRefused, match="mounted"):
        library.add(documents)
    assert len(paths(library)) == 4
    report = library.add(documents, prune=True)
    assert report.counts == {"removed": 4}
    assert paths(library) == []


def test_a_vanished_folder_never_empties_the_library(library: Library, documents: Path) -> None:
    documents.rename(documents.with_name("unmounted"))
    with pytest.raises(PruneRefused):
        library.add(documents)
    assert len(paths(library)) == 4


def test_more_than_half_is_removed_only_on_request(library: Library, documents: Path) -> None:
    for name in ("birds/heron.md", "birds/swift.md", "prices.csv"):
        (documents / name).unlink()
    (documents / "new.md").write_text("# New\n\nSomething new.\n", encoding="utf-8")
    with pytest.raises(PruneRefused, match="3 of the library's 4"):
        library.add(documents)
    assert len(paths(library)) == 4
    library.add(documents, prune=True)
    assert paths(library) == ["new.md", "trees/oak.txt"]


def test_an_unreadable_folder_keeps_its_documents(library: Library, documents: Path) -> None:
    if os.geteuid() == 0:
        inner = documents / "birds"
        inner.rename(documents.parent / "aside")
        (documents / "birds").symlink_to(documents / "birds")
    else:
        (documents / "birds").chmod(0)
    report = library.add(documents)
    assert any(outcome.kind == "failed" and outcome.path == "birds" for outcome in report.outcomes)
    assert "birds/heron.md" in paths(library)


def test_a_part_of_a_folder_can_be_brought_up_to_date(library: Library, documents: Path) -> None:
    (documents / "birds/crane.md").write_text("# Cranes\n\nCranes dance.\n", encoding="utf-8")
    (documents / "trees/oak.txt").unlink()
    report = library.add(documents / "birds")
    assert "trees/oak.txt" not in outcomes(report)
    assert {"birds/crane.md", "trees/oak.txt"} <= set(paths(library))


def test_a_folder_around_a_known_one_takes_it_over(
    open_library: Opener, documents: Path, tmp_path: Path
) -> None:
    library = open_library()
    library.add(documents / "birds", documents / "prices.csv")
    assert paths(library) == ["heron.md", "prices.csv", "swift.md"]
    report = library.add(documents)
    assert paths(library) == ["birds/heron.md", "birds/swift.md", "prices.csv", "trees/oak.txt"]
    assert report.counts == {"unchanged": 3, "added": 1}
    assert library.status().sources == (str(documents),)


def test_a_path_that_is_not_there_is_refused(open_library: Opener, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        open_library().add(tmp_path / "nowhere")


def test_progress_counts_files_then_chunks(open_library: Opener, documents: Path) -> None:
    seen: list[Progress] = []
    report = open_library().add(documents, progress=seen.append)
    reading = [step for step in seen if step.stage == "reading"]
    embedding = [step for step in seen if step.stage == "embedding"]
    assert [step.done for step in reading] == [1, 2, 3, 4]
    assert {step.total for step in reading} == {4}
    assert embedding[-1].done == embedding[-1].total == report.chunks


def test_names_with_newlines_and_emoji(open_library: Opener, documents: Path) -> None:
    (documents / "line\nbreak 🦆.md").write_text("# Duck\n\nThe duck dives.\n", encoding="utf-8")
    library = open_library()
    assert library.add(documents).counts == {"added": 5}
    assert library.search("duck dives")[0].path == "line\nbreak 🦆.md"

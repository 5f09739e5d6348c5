"""What a search through the whole library promises."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from openbook.errors import UsageError
from openbook.library import Library
from openbook.settings import Settings
from openbook.types import Document, Exchange

Opener = Callable[..., Library]


def test_hits_are_exact_slices_of_their_documents(library: Library) -> None:
    hits = library.search("where does the heron hunt in winter?", k=10)
    assert hits[0].path == "birds/heron.md"
    for hit in hits:
        assert library.document(hit.document_id).text[hit.start : hit.end] == hit.text


def test_both_legs_score_every_hit(library: Library) -> None:
    for hit in library.search("heron in the river", k=10):
        assert hit.scores.lexical is not None
        assert hit.scores.vector is not None


def test_explain_names_parts_that_add_up(library: Library) -> None:
    for hit in library.search("acorns feed the jays", explain=True):
        assert hit.score == pytest.approx(sum(hit.explanation.values()))
    assert library.search("acorns")[0].explanation == {}


def test_matched_words_are_those_of_the_question(library: Library) -> None:
    hit = library.search("Which ACORN feeds jays?")[0]
    assert hit.path == "trees/oak.txt"
    assert set(hit.matched) == {"ACORN", "feeds", "jays"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("path=birds/*", {"birds/heron.md", "birds/swift.md"}),
        ("path=*.csv", {"prices.csv"}),
        ("title=Herons", {"birds/heron.md"}),
        ("path=nowhere/*", set()),
    ],
)
def test_filters_hold_for_every_hit(library: Library, condition: str, expected: set[str]) -> None:
    assert {hit.path for hit in library.search("the", k=50, where=[condition])} == expected


def test_wrong_questions_and_filters_are_refused(library: Library) -> None:
    with pytest.raises(UsageError, match="empty"):
        library.search("  ")
    with pytest.raises(UsageError, match="k is 0"):
        library.search("heron", k=0)
    with pytest.raises(UsageError):
        library.search("heron", where=["page"])


def test_per_document_limits_hits(library: Library) -> None:
    hits = library.search("heron fish water river", k=10, per_document=1)
    assert len({hit.document_id for hit in hits}) == len(hits)


def test_exact_copies_are_one_hit_with_every_location(library: Library, documents: Path) -> None:
    copy = documents / "copies" / "oak again.txt"
    copy.parent.mkdir()
    copy.write_bytes((documents / "trees/oak.txt").read_bytes())
    library.add(documents)
    hits = [hit for hit in library.search("oak near the mill", k=10) if "oak" in hit.text]
    assert len(hits) == 1
    places = {hits[0].path, *(location.path for location in hits[0].locations)}
    assert places == {"trees/oak.txt", "copies/oak again.txt"}


def test_neighbouring_chunks_become_one_hit(open_library: Opener) -> None:
    library = open_library()
    paragraphs = [f"Paragraph {n} tells of lighthouses and the sea around them, long." for n in range(40)]
    text = "\n\n".join(paragraphs)
    library.add_documents([Document("long.txt", text, "text/plain", title="Long")], source="test")
    hits = library.search("lighthouses and the sea", k=20)
    chunk = library.search("lighthouses and the sea", k=1, per_document=1)[0]
    assert any(len(hit.text) > len(chunk.text) for hit in hits)
    spans = sorted((hit.start, hit.end) for hit in hits)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_without_a_model_words_alone_are_searched_and_it_says_so(
    tmp_path: Path, documents: Path, settings: Settings
) -> None:
    settings = settings.updated(
        {"embedder": "onnx:all-MiniLM-L6-v2", "cache": str(tmp_path / "empty")}, source="this test"
    )
    with Library(tmp_path / "words", settings=settings) as library:
        report = library.add(documents)
        assert report.pending == report.chunks > 0
        assert any("openbook model install" in note for note in report.notes)
        hits = library.search("heron")
        assert hits[0].path == "birds/heron.md"
        assert hits[0].scores.vector is None
        assert any("words alone" in note for note in hits.notes)


def test_vectors_of_two_models_never_meet(open_library: Opener, documents: Path, settings: Settings) -> None:
    open_library().add(documents)
    other = open_library(settings.updated({"embedder": "hash:32"}, source="this test"))
    hits = other.search("heron")
    assert hits[0].path == "birds/heron.md"
    assert hits[0].scores.vector is None
    assert any("hash" in note.lower() for note in hits.notes)
    report = other.add(documents)
    assert report.embedded > 0
    assert other.search("heron")[0].scores.vector is not None
    name = other.restore_generation()
    assert "64" in name
    again = open_library().search("heron")
    assert again[0].scores.vector is not None


def test_half_a_character_stops_no_search(open_library: Callable[..., Library], documents: Path) -> None:
    library = open_library()
    library.add(documents)
    half = "\ud83d"
    asked = f"What does the grey heron eat {half}?"
    assert library.search(asked)[0].path == "birds/heron.md"
    assert library.ask(asked).question == "What does the grey heron eat ??"
    turn = Exchange(f"Who sleeps {half}?", f"Who sleeps {half}?", half)
    assert library.search("And where?", history=[turn])
    assert not library.search("heron", where=[f"path={half}"])

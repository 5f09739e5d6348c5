"""Hits become numbered places, merged, measured and linked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from openbook.answer.evidence import gather_evidence, link
from openbook.types import Hit

MakeHit = Callable[..., Hit]
TEXT = "First sentence here. Second sentence here.\n\nThird one stands alone. The fourth ends it."


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def read_text(document_id: int, start: int, end: int) -> str:
    return TEXT[start:end]


def test_numbers_follow_the_rank(make_hit: MakeHit) -> None:
    hits = [make_hit("beta", document_id=2), make_hit("alpha", document_id=1)]
    evidence, notes = gather_evidence(hits, budget_tokens=100, count_tokens=count_words)
    assert [(piece.number, piece.path) for piece in evidence] == [(1, "document-2.md"), (2, "document-1.md")]
    assert notes == ()


def test_neighbours_are_joined_with_the_text_between_them(make_hit: MakeHit) -> None:
    first, second = TEXT[:42], TEXT[44:68]
    hits = [
        make_hit(second, start=44, score=0.9),
        make_hit("other", document_id=2, score=0.8),
        make_hit(first, start=0, score=0.7),
    ]
    evidence, _ = gather_evidence(hits, budget_tokens=100, count_tokens=count_words, read_text=read_text)
    assert [piece.text for piece in evidence] == [TEXT[:68], "other"]
    assert (evidence[0].start, evidence[0].end, evidence[0].score) == (0, 68, 0.9)


def test_a_hit_that_closes_a_gap_joins_three(make_hit: MakeHit) -> None:
    hits = [make_hit(TEXT[a:b], start=a) for a, b in ((0, 10), (20, 30), (8, 22))]
    evidence, _ = gather_evidence(hits, budget_tokens=100, count_tokens=count_words)
    assert [(piece.start, piece.end, piece.text) for piece in evidence] == [(0, 30, TEXT[:30])]


def test_pages_are_not_joined(make_hit: MakeHit) -> None:
    hits = [make_hit(TEXT[:20], page=1), make_hit(TEXT[20:40], start=20, page=2)]
    evidence, _ = gather_evidence(hits, budget_tokens=100, count_tokens=count_words, read_text=read_text)
    assert [piece.page for piece in evidence] == [1, 2]


def test_what_does_not_fit_is_left_out_and_named(make_hit: MakeHit) -> None:
    hits = [
        make_hit("one two three", document_id=1),
        make_hit("w " * 50, document_id=2),
        make_hit("four", document_id=3),
    ]
    evidence, notes = gather_evidence(hits, budget_tokens=10, count_tokens=count_words)
    assert [piece.path for piece in evidence] == ["document-1.md", "document-3.md"]
    assert notes == ("1 of 3 places found were left out to stay within 10 tokens: document-2.md (Section).",)


def test_a_first_piece_that_is_too_long_ends_at_a_sentence(make_hit: MakeHit) -> None:
    evidence, notes = gather_evidence([make_hit(TEXT)], budget_tokens=8, count_tokens=count_words)
    assert evidence[0].text == "First sentence here. Second sentence here."
    assert evidence[0].end == len(evidence[0].text)
    assert len(notes) == 1
    tiny, _ = gather_evidence([make_hit(TEXT)], budget_tokens=2, count_tokens=count_words)
    assert tiny[0].text == "First sentence"


def test_no_hits_no_evidence() -> None:
    assert gather_evidence([], budget_tokens=10, count_tokens=count_words) == ((), ())


def test_links(tmp_path: Path, make_hit: MakeHit) -> None:
    assert link(None, page=3, text="x") == ""
    assert link(tmp_path / "a b.pdf", page=7, text="x") == f"{tmp_path.as_uri()}/a%20b.pdf#page=7"
    assert link(tmp_path / "notes.md", page=None, text="x") == f"{tmp_path.as_uri()}/notes.md"
    html = link(tmp_path / "p.html", page=None, text="\n  A well-known, odd place & then more\n")
    assert html.endswith("/p.html#:~:text=A%20well%2Dknown%2C%20odd%20place%20%26%20then%20more")
    hit = replace(make_hit("x"), path="sub/b.pdf", page=2)
    evidence, _ = gather_evidence(
        [hit], budget_tokens=5, count_tokens=count_words, file_of=lambda found: tmp_path / found.path
    )
    assert evidence[0].url == f"{tmp_path.as_uri()}/sub/b.pdf#page=2"

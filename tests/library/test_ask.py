"""An answer is made of verbatim quotes at exact places, or is honestly none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openbook.library import Library
from openbook.settings import Settings
from openbook.types import Answer

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "documents"


def check_citations(library: Library, answer: Answer) -> None:
    """Every citation is verbatim in the answer, in its evidence and in its document."""
    numbers = {piece.number: piece for piece in answer.evidence}
    for citation in answer.citations:
        assert answer.text[citation.start : citation.end] == citation.quote
        piece = numbers[citation.number]
        document = library.document(piece.document_id)
        assert document.text[citation.source_start : citation.source_end] == citation.quote
        assert document.text[piece.start : piece.end] == piece.text
        assert citation.supported


@pytest.fixture(scope="module")
def workshop(installed_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The example documents, with the real model."""
    del installed_model
    with Library(tmp_path_factory.mktemp("workshop"), settings=Settings()) as library:
        library.add(EXAMPLES)
        yield library


def test_quotes_are_verbatim_and_placed(
    open_library: Callable[..., Library], documents: Path, settings: Settings
) -> None:
    library = open_library(settings.updated({"answer_threshold": 0}, source="this test"))
    library.add(documents)
    answer = library.ask("Which bird eats fish, frogs and voles?")
    assert answer.status == "answered"
    assert "fish, frogs and voles" in answer.text
    assert answer.citations
    check_citations(library, answer)


def test_below_the_threshold_nothing_is_claimed(
    open_library: Callable[..., Library], documents: Path, settings: Settings
) -> None:
    library = open_library(settings.updated({"answer_threshold": 1}, source="this test"))
    library.add(documents)
    answer = library.ask("What does the grey heron eat?")
    assert answer.status == "not_found"
    assert answer.citations == ()
    assert "heron" in answer.evidence[0].text


def test_an_empty_library_answers_nothing(library: Library) -> None:
    library.remove("*")
    answer = library.ask("What does the heron eat?")
    assert answer.status == "not_found"
    assert answer.evidence == ()


@pytest.mark.parametrize(
    ("question", "words", "place"),
    [
        ("How long is the warranty on a rebuilt wheel?", "twelve months", "repair-handbook.pdf p. 2"),
        ("With what torque is the seat clamp tightened?", "6 Nm", "repair-handbook.pdf p. 3"),
        ("What did the board decide about the ultrasonic cleaner?", "cleaner", "board-minutes"),
        ("What should I do with a swollen battery?", "battery", "safety-rules.md"),
    ],
)
def test_the_examples_answer_with_their_place(
    workshop: Library, question: str, words: str, place: str
) -> None:
    answer = workshop.ask(question)
    assert answer.status == "answered", answer.confidence
    assert words in answer.text
    check_citations(workshop, answer)
    cited = {citation.number for citation in answer.citations}
    places = [f"{piece.path} {piece.place}" for piece in answer.evidence if piece.number in cited]
    assert any(found.startswith(place) for found in places), places


def test_what_the_examples_do_not_hold_is_not_answered(workshop: Library) -> None:
    for question in ("What is the capital of France?", "Which quantum computer won the chess tournament?"):
        answer = workshop.ask(question)
        assert answer.status == "not_found", (question, answer.confidence, answer.text)

"""An answer is made of verbatim quotes at exact places, or is honestly none."""

from __future__ import annotations

from openbook.library import Library


def test_quotes_are_verbatim_and_placed(library: Library) -> None:
    answer = library.ask("What does the grey heron eat?")
    assert answer.status == "answered"
    assert "fish, frogs and voles" in answer.text
    assert answer.citations
    numbers = {piece.number: piece for piece in answer.evidence}
    for citation in answer.citations:
        assert answer.text[citation.start : citation.end] == citation.quote
        document = library.document(numbers[citation.number].document_id)
        assert document.text[citation.source_start : citation.source_end] == citation.quote
        assert citation.supported


def test_what_the_documents_do_not_hold_is_not_answered(library: Library) -> None:
    answer = library.ask("Which quantum processor won the chess tournament of 1987?")
    assert answer.status == "not_found"
    assert answer.citations == ()
    assert answer.confidence < library.settings.answer_threshold


def test_an_empty_library_answers_nothing(library: Library) -> None:
    library.remove("*")
    answer = library.ask("What does the heron eat?")
    assert answer.status == "not_found"
    assert answer.evidence == ()

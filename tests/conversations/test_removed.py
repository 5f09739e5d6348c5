"""Removed means removed: conversations keep no text of documents that have changed or gone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openbook.conversing import Chat
from openbook.events import Event, VerificationEvent
from openbook.library import Library
from openbook.types import Answer, Step
from tests.conversations.conftest import SETTINGS, Scripted, files_with

Begin = Callable[..., Chat]
SECRET = "xyzzyplugh"
QUOTE = f"The heron of the mill is called {SECRET}."


@pytest.fixture
def secret(library: Library, documents: Path) -> Path:
    """A document that alone holds the secret, beside the others."""
    file = documents / "secret.md"
    file.write_text(f"# Names\n\n{QUOTE}\n\nIt sleeps in the reeds.\n", encoding="utf-8")
    library.add(documents)
    return file


def rewrite(library: Library, file: Path, text: str) -> None:
    """Change a document, and bring the library in line."""
    file.write_text(text, encoding="utf-8")
    os.utime(file, ns=(1_800_000_000_000_000_000,) * 2)
    library.add(file.parent)


def holds_together(library: Library) -> None:
    assert files_with(SECRET, library.path) == []
    assert library._ledger.check() == []


def test_quotes_and_answers_go_with_a_removed_document(begin: Begin, library: Library, secret: Path) -> None:
    chat = begin(f"Its name: “{QUOTE}” [1]")
    chat.ask("How is the heron of the mill called?")
    assert files_with(SECRET, library.path)
    library.remove("secret.md")
    holds_together(library)
    (turn,) = chat.turns
    assert turn.question == "How is the heron of the mill called?"
    assert turn.answer.text == ""
    assert turn.answer.citations == ()
    assert "secret.md" not in {piece.path for piece in turn.answer.evidence}
    assert "a document that was removed" in turn.redacted
    assert turn.answer.notes == (turn.redacted,)


def test_the_same_where_the_file_is_gone(begin: Begin, library: Library, secret: Path) -> None:
    begin(f"“{QUOTE}”").ask("How is the heron of the mill called?")
    secret.unlink()
    library.add(secret.parent)
    holds_together(library)


def test_the_same_for_quoting_answers(library: Library, secret: Path) -> None:
    chat = library.chat()
    assert SECRET in chat.ask("How is the heron of the mill called?", model="none").text
    library.remove("secret.md")
    holds_together(library)
    assert chat.turns[0].answer.text == ""


@pytest.mark.parametrize(
    "said", [f"It is {SECRET}.", f"It is _{SECRET}_.", f"They call it {SECRET.title()}s.", SECRET]
)
def test_words_that_only_the_removed_document_had_go_without_a_citation(
    begin: Begin, library: Library, secret: Path, said: str
) -> None:
    chat = begin(said)
    chat.ask("How is the heron of the mill called?")
    library.remove("secret.md")
    holds_together(library)
    assert chat.turns[0].redacted


def test_an_answer_that_rests_on_others_stays(begin: Begin, library: Library, secret: Path) -> None:
    text = "The grey heron eats “fish, frogs and voles”."
    chat = begin(text)
    answer = chat.ask("What does the grey heron eat?")
    assert "secret.md" in {piece.path for piece in answer.evidence}
    library.remove("secret.md")
    holds_together(library)
    (turn,) = chat.turns
    assert turn.answer.text == text
    assert not turn.redacted
    assert "secret.md" not in {piece.path for piece in turn.answer.evidence}


def test_later_turns_lose_what_they_had_from_the_history(
    begin: Begin, library: Library, secret: Path
) -> None:
    first = begin(f"It is {SECRET}.")
    first.ask("How is the heron of the mill called?")
    later = begin(
        f"{SECRET} eats “fish, frogs and voles”.", meant=f"What does {SECRET} eat?", conversation=first.id
    )
    later.ask("And what does it eat?", where=["path=heron.md"])
    library.remove("secret.md")
    holds_together(library)
    turn = later.turns[1]
    assert turn.redacted
    assert turn.answer.meant == ""
    assert [citation.quote for citation in turn.answer.citations] == ["fish, frogs and voles"]


def test_the_question_is_the_users_own(begin: Begin, library: Library, secret: Path) -> None:
    chat = begin(f"Yes, {SECRET} it is.")
    chat.ask(f"Is it called {SECRET}?")
    library.remove("secret.md")
    (turn,) = chat.turns
    assert turn.question == f"Is it called {SECRET}?"
    assert not turn.redacted  # the answer says nothing that the user had not said


def test_a_changed_quote_goes(begin: Begin, library: Library, secret: Path) -> None:
    chat = begin(f"Its name: “{QUOTE}” [1]")
    chat.ask("How is the heron of the mill called?")
    rewrite(library, secret, "# Names\n\nThe heron of the mill has no name.\n\nIt sleeps in the reeds.\n")
    holds_together(library)
    (turn,) = chat.turns
    assert turn.answer.text == ""
    assert "a passage that has changed" in turn.redacted


def test_what_was_only_moved_is_found_again(begin: Begin, library: Library, secret: Path) -> None:
    text = f"Its name: “{QUOTE}” [1]"
    chat = begin(text)
    chat.ask("How is the heron of the mill called?")
    before = chat.turns[0].answer
    rewrite(library, secret, f"# Preface\n\nNew words come first.\n\n{secret.read_text(encoding='utf-8')}")
    assert library._ledger.check() == []
    after = library.chat(chat.id).turns[0].answer
    assert after.text == text
    assert [piece.text for piece in after.evidence] == [piece.text for piece in before.evidence]
    (old,), (new,) = before.citations, after.citations
    assert new.source_start == old.source_start + len("# Preface\n\nNew words come first.\n\n")
    assert new.quote == QUOTE
    library.remove("secret.md")
    holds_together(library)


def test_a_quote_stays_where_only_words_around_it_changed(
    begin: Begin, library: Library, secret: Path
) -> None:
    text = f"Its name: “{QUOTE}” [1]"
    chat = begin(text)
    chat.ask("How is the heron of the mill called?")
    rewrite(library, secret, f"# Names\n\n{QUOTE}\n\nNobody knows where it sleeps.\n")
    assert library._ledger.check() == []
    (turn,) = library.chat(chat.id).turns
    assert turn.answer.text == text
    assert QUOTE in {piece.text for piece in turn.answer.evidence}
    library.remove("secret.md")
    holds_together(library)


def test_a_document_is_remembered_after_its_passage_has_gone(
    begin: Begin, library: Library, secret: Path
) -> None:
    """The answer's word loses its passage, but stands elsewhere in the document; then that goes."""
    chat = begin(f"It is {SECRET}.")
    chat.ask("How is the heron of the mill called?")
    rewrite(library, secret, f"# Names\n\nWho is {SECRET}? Nobody knows.\n")
    assert chat.turns[0].answer.text == f"It is {SECRET}."
    library.remove("secret.md")
    holds_together(library)
    assert chat.turns[0].redacted


def test_a_document_removed_while_its_answer_is_written(begin: Begin, library: Library, secret: Path) -> None:
    chat = begin(f"Its name: “{QUOTE}” [1]")
    scripted = chat._ask_stream
    assert isinstance(scripted, Scripted)

    def removing() -> None:
        with Library(library.path, settings=SETTINGS) as other:
            other.remove("secret.md")

    scripted.before_the_end = removing
    answer = chat.ask("How is the heron of the mill called?")
    assert SECRET in answer.text  # whoever asked has read it already
    holds_together(library)
    (turn,) = chat.turns
    assert "was not kept" in turn.redacted


def test_a_document_of_the_history_removed_while_an_answer_is_written(
    begin: Begin, library: Library, secret: Path
) -> None:
    chat = begin(f"It is {SECRET}.", f"{SECRET} eats “fish, frogs and voles”.")
    chat.ask("How is the heron of the mill called?")
    scripted = chat._ask_stream
    assert isinstance(scripted, Scripted)

    def removing() -> None:
        with Library(library.path, settings=SETTINGS) as other:
            other.remove("secret.md")

    scripted.before_the_end = removing
    chat.ask("What does it eat?", where=["path=heron.md"])
    holds_together(library)
    assert [bool(turn.redacted) for turn in chat.turns] == [True, True]


def test_other_conversations_are_left_alone(begin: Begin, library: Library, secret: Path) -> None:
    other = begin("It eats “fish, frogs and voles”.")
    other.ask("What does the heron eat?", where=["path=heron.md"])
    before = other.turns
    begin(f"“{QUOTE}”").ask("How is the heron of the mill called?")
    library.remove("secret.md")
    assert library.chat(other.id).turns == before


def test_a_renamed_file_keeps_its_quotes(begin: Begin, library: Library, secret: Path) -> None:
    chat = begin(f"“{QUOTE}”")
    chat.ask("How is the heron of the mill called?")
    secret.rename(secret.with_name("names.md"))
    library.add(secret.parent)
    (turn,) = library.chat(chat.id).turns
    assert turn.answer.text == f"“{QUOTE}”"
    assert "names.md" in {piece.path for piece in turn.answer.evidence}


@pytest.mark.parametrize(
    "kept",
    [
        {"value": {"found": [f"Alan\n{SECRET}\tand others"]}},
        {"steps": (Step(1, "search", {"written": f'{{"query": "\\n{SECRET}'}, "", 0.1),)},
        {"steps": (Step(1, SECRET, {"written": "{}"}, "", 0.1, failed=True),)},
        {"steps": (Step(1, "search", {"written": '{"query": "\\u0078yzzyplugh'}, "", 0.1),)},
    ],
    ids=["value", "after an escape", "invented tool", "written as an escape"],
)
def test_words_in_json_and_in_steps_go_too(library: Library, secret: Path, kept: dict[str, Any]) -> None:
    scripted = Scripted(library, "The grey heron.")

    def answering(question: str, **options: Any) -> Iterator[Event]:
        for event in scripted(question, **options):
            if isinstance(event, VerificationEvent):
                answer: Answer = replace(event.answer, **kept)
                event = VerificationEvent(answer)
            yield event

    chat = Chat(library._ledger, answering)
    chat.ask("How is the heron of the mill called?")
    assert not chat.turns[0].redacted
    library.remove("secret.md")
    holds_together(library)
    assert chat.turns[0].redacted


def test_characters_may_be_composed_in_another_way(library: Library, documents: Path, begin: Begin) -> None:
    file = documents / "names.md"
    file.write_text("# Names\n\nThe heron of the mill is called Zoe\u0308lie.\n", encoding="utf-8")
    library.add(documents)
    chat = begin("They call it Zo\u00eblie.")
    chat.ask("How is the heron of the mill called?")
    library.remove("names.md")
    assert chat.turns[0].answer.text == ""


def test_evidence_that_goes_while_an_answer_is_written_is_no_history_for_the_next(
    begin: Begin, library: Library, secret: Path
) -> None:
    chat = begin("Nobody can tell.")
    scripted = chat._ask_stream
    assert isinstance(scripted, Scripted)

    def removing() -> None:
        with Library(library.path, settings=SETTINGS) as other:
            other.remove("secret.md")

    scripted.before_the_end = removing
    answer = chat.ask("How is the heron of the mill called?")
    assert any(SECRET in piece.text for piece in answer.evidence)
    assert not any(SECRET in piece.text for turn in chat.turns for piece in turn.answer.evidence)
    assert SECRET not in repr(chat.history)

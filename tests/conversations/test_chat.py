"""A conversation: its history, its name, and what is kept of it however its streams end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from openbook.conversing import HISTORY_TOKENS, Chat, find_conversation, name_from
from openbook.errors import ReplyBroken, UsageError
from openbook.events import Event, TokenEvent, VerificationEvent
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.library import Library
from openbook.types import Answer
from tests.conversations.conftest import SETTINGS, Scripted, files_with

Begin = Callable[..., Chat]


def stream_of(chat: Chat, question: str, **options: Any) -> Generator[Event, None, None]:
    """A chat's stream, as what it is: a generator that can be closed."""
    stream = chat.ask_stream(question, **options)
    assert isinstance(stream, Generator)
    return stream


def test_a_turn_is_kept_with_its_quotes_and_places(begin: Begin, library: Library) -> None:
    chat = begin("Fish: “It eats fish, frogs and voles.” [1]")
    answer = chat.ask("What does the heron eat?")
    assert chat.id is not None
    (turn,) = library._ledger.turns(chat.id)
    assert turn.question == "What does the heron eat?"
    assert turn.answer.text == answer.text
    assert turn.answer.citations == answer.citations
    assert [piece.text for piece in turn.answer.evidence] == [piece.text for piece in answer.evidence]
    assert [piece.place for piece in turn.answer.evidence] == [piece.place for piece in answer.evidence]
    assert turn.answer.usage == {"requests": 1}
    assert turn.redacted == ""
    assert library._ledger.check() == []


def test_real_answers_are_kept_too(library: Library) -> None:
    chat = library.chat()
    answer = chat.ask("Which bird eats fish, frogs and voles?", model="none")
    assert answer.status == "answered"
    again = library.chat(chat.id)
    assert again.turns[0].answer.text == answer.text
    assert again.turns[0].answer.citations == answer.citations
    assert [piece.url for piece in again.turns[0].answer.evidence] == [piece.url for piece in answer.evidence]
    assert library.verify(repair=False).ok


def test_keeping_turns_is_nothing_that_indexes_follow(begin: Begin, library: Library) -> None:
    before = library._ledger.sequence
    begin("Fish.").ask("What does the heron eat?")
    assert library._ledger.sequence == before


def test_history_goes_along_with_the_next_question(begin: Begin) -> None:
    chat = begin("“It eats fish, frogs and voles.” [1]", "In winter, too.", meant="what does the heron eat")
    chat.ask("And what does it eat?")
    chat.ask("In winter, too?")
    scripted = chat._ask_stream
    assert isinstance(scripted, Scripted)
    assert scripted.asked[0] == ()
    (exchange,) = scripted.asked[1]
    assert (exchange.question, exchange.meant) == ("And what does it eat?", "what does the heron eat")
    assert exchange.answer == "“It eats fish, frogs and voles.” [1]"
    assert len(exchange.evidence) == 1
    assert "It eats fish, frogs and voles." in exchange.evidence[0]


def test_without_citations_the_best_evidence_stands_in_the_history(begin: Begin) -> None:
    chat = begin("No idea.")
    answer = chat.ask("What does the heron eat?")
    (exchange,) = chat.history
    assert exchange.evidence == tuple(piece.text for piece in answer.evidence[:3])


def test_history_is_compacted_by_whoever_was_given(begin: Begin) -> None:
    chat = begin("Yes.", compact=lambda history: history[-1:])
    for question in ("heron?", "swift?", "oak?"):
        chat.ask(question)
    assert [exchange.question for exchange in chat.history] == ["oak?"]
    assert len(chat.turns) == 3


def test_a_long_history_is_compacted_within_its_budget(begin: Begin) -> None:
    chat = begin("Yes, indeed. " * 100)
    for number in range(12):
        chat.ask(f"heron {number}?")
    history = chat.history
    assert history[-1].answer == chat.turns[-1].answer.text
    assert history[-1].evidence
    words = sum(len(text.split()) for one in history for text in (one.question, one.answer, *one.evidence))
    assert words < HISTORY_TOKENS < sum(len(turn.answer.text.split()) for turn in chat.turns) * 1.5
    assert len(chat.turns) == 12


def test_a_resumed_conversation_has_the_same_history(begin: Begin) -> None:
    chat = begin("“It eats fish, frogs and voles.” [1]")
    chat.ask("What does the heron eat?")
    assert begin("x", conversation=chat.id).history == chat.history


# -- streams that end early ------------------------------------------------------


def test_a_closed_stream_keeps_what_had_arrived(begin: Begin) -> None:
    chat = begin("One two three four")
    with closing(stream_of(chat, "What does the heron eat?")) as stream:
        for event in stream:
            if isinstance(event, TokenEvent) and event.text == " two":
                break
    (turn,) = begin("x", conversation=chat.id).turns
    assert turn.answer.text == "One two"
    assert not turn.answer.complete
    assert turn.answer.evidence
    assert turn.answer.confidence == 0.75


def test_nothing_is_kept_where_nothing_had_arrived(begin: Begin, library: Library) -> None:
    chat = begin("One two")
    with closing(stream_of(chat, "What does the heron eat?")) as stream:
        next(stream)
    assert library.conversations() == []
    assert chat.turns == ()


class Interruptible:
    """An answer that is checked even when it is interrupted, as those of language models are."""

    def __init__(self) -> None:
        self.interrupted = False

    def __call__(self, question: str, **options: Any) -> Iterator[Event]:
        text = ""
        try:
            for word in ("One", " two", " three"):
                text += word
                yield TokenEvent(word)
        except KeyboardInterrupt:
            self.interrupted = True
        complete = not self.interrupted
        yield VerificationEvent(
            Answer(question, text, "answered", 0.5, generator="checked", complete=complete)
        )


def test_an_interruption_reaches_the_answer_that_is_being_written(library: Library) -> None:
    asking = Interruptible()
    chat = Chat(library._ledger, asking)
    stream = stream_of(chat, "heron?")
    assert [next(stream), next(stream)] == [TokenEvent("One"), TokenEvent(" two")]
    last = stream.throw(KeyboardInterrupt())
    assert isinstance(last, VerificationEvent)
    assert list(stream) == []
    (turn,) = library.chat(chat.id).turns
    assert (turn.answer.text, turn.answer.generator, turn.answer.complete) == ("One two", "checked", False)


def test_an_interruption_that_nobody_takes_keeps_what_had_arrived(begin: Begin) -> None:
    chat = begin("One two three")
    stream = stream_of(chat, "heron?")
    next(stream)
    next(stream)
    with pytest.raises(KeyboardInterrupt):
        stream.throw(KeyboardInterrupt())
    assert [turn.answer.text for turn in chat.turns] == ["One"]


def test_what_arrived_before_an_error_is_kept(library: Library) -> None:
    def broken(question: str, **options: Any) -> Iterator[Event]:
        yield TokenEvent("Half an")
        raise ReplyBroken("The reply stopped halfway.")

    chat = Chat(library._ledger, broken)
    with pytest.raises(ReplyBroken):
        chat.ask("heron?", model="ollama:small")
    (turn,) = library.chat(chat.id).turns
    assert (turn.answer.text, turn.answer.complete, turn.answer.generator) == (
        "Half an",
        False,
        "ollama:small",
    )


# -- names -----------------------------------------------------------------------


def test_a_conversation_is_called_like_its_first_question(begin: Begin) -> None:
    chat = begin("Fish.")
    assert chat.name == ""
    chat.ask("  What does\nthe heron eat? ")
    chat.ask("And the swift?")
    assert chat.name == "What does the heron eat?"
    assert name_from("word " * 40) == " ".join(["word"] * 12) + "…"
    assert len(name_from("x" * 100)) == 60


def test_renaming(begin: Begin, library: Library) -> None:
    early = begin("Fish.")
    early.rename("  Birds ")
    early.ask("heron?")
    assert library.conversations()[0].name == "Birds"
    early.rename("Food of birds")
    assert library.conversations()[0].name == "Food of birds"
    with pytest.raises(UsageError, match="at least one word"):
        early.rename(" \n")


def test_conversations_are_found_by_number_and_by_name(begin: Begin, library: Library) -> None:
    for name in ("Birds", "Birds of prey", "Trees"):
        begin("Yes.", name=name).ask("heron?")
    ledger = library._ledger
    assert find_conversation(ledger, 3).name == "Trees"
    assert find_conversation(ledger, "3").name == "Trees"
    assert find_conversation(ledger, " birds ").name == "Birds"
    assert find_conversation(ledger, "tre").name == "Trees"
    assert find_conversation(ledger, "prey").name == "Birds of prey"
    with pytest.raises(UsageError, match=r"fits 2 conversations: 2 'Birds of prey' of .*; 1 'Birds' of "):
        find_conversation(ledger, "bir")
    for unknown in ("fish", "", "9"):
        with pytest.raises(UsageError, match="No conversation of this library"):
            find_conversation(ledger, unknown)
    with pytest.raises(UsageError, match="no conversation 9"):
        find_conversation(ledger, 9)


def test_the_conversation_used_last_comes_first(begin: Begin, library: Library) -> None:
    first = begin("Yes.", name="first")
    first.ask("heron?")
    begin("Yes.", name="second").ask("heron?")
    assert [(one.name, one.turns) for one in library.conversations()] == [("second", 1), ("first", 1)]


# -- deleting, and reading only ----------------------------------------------------


def test_a_deleted_conversation_leaves_no_byte(begin: Begin, library: Library) -> None:
    chat = begin("Ask the wuzzlefink.", name="quibblesnark")
    chat.ask("Who knows the frobnicator?")
    begin("Yes.", name="another").ask("heron?")
    for word in ("wuzzlefink", "quibblesnark", "frobnicator"):
        assert files_with(word, library.path)
    assert chat.delete() == ()
    for word in ("wuzzlefink", "quibblesnark", "frobnicator"):
        assert files_with(word, library.path) == []
    assert [one.name for one in library.conversations()] == ["another"]
    assert chat.turns == ()
    chat.ask("heron?")  # begins anew
    assert [one.turns for one in library.conversations()] == [1, 1]


def test_a_conversation_deleted_elsewhere_is_named(begin: Begin, library: Library) -> None:
    chat = begin("Yes.")
    chat.ask("heron?")
    with Library(library.path, settings=SETTINGS) as other:
        other.chat(chat.id).delete()
    with pytest.raises(UsageError, match="no conversation 1"):
        chat.ask("swift?")


def test_turns_of_another_process_are_part_of_the_history(begin: Begin, library: Library) -> None:
    chat = begin("Yes.")
    chat.ask("heron?")
    with Library(library.path, settings=SETTINGS) as other:
        Chat(other._ledger, Scripted(other, "No."), conversation=chat.id).ask("swift?")
    chat.ask("oak?")
    assert [turn.question for turn in chat.turns] == ["heron?", "swift?", "oak?"]
    scripted = chat._ask_stream
    assert isinstance(scripted, Scripted)
    assert [exchange.question for exchange in scripted.asked[-1]] == ["heron?", "swift?"]


def test_a_library_that_is_only_read_can_be_talked_to(library: Library) -> None:
    with Ledger(library.path / LEDGER_NAME, read_only=True) as ledger:
        chat = Chat(ledger, Scripted(library, "Fish.", "Yes."))
        assert not chat.kept
        chat.ask("What does the heron eat?")
        chat.ask("And the swift?")
        assert chat.id is None
        assert chat.name == "What does the heron eat?"
        assert [turn.answer.text for turn in chat.turns] == ["Fish.", "Yes."]
        assert [exchange.answer for exchange in chat.history] == ["Fish.", "Yes."]
        assert chat.delete() == ()
    assert library.conversations() == []


def test_what_is_asked_of_a_kept_conversation_that_is_only_read_goes_on_as_well(
    begin: Begin, library: Library
) -> None:
    kept = begin("Fish.")
    kept.ask("What does the heron eat?")
    with Ledger(library.path / LEDGER_NAME, read_only=True) as ledger:
        scripted = Scripted(library, "Yes.", "No.")
        chat = Chat(ledger, scripted, conversation=kept.id)
        chat.ask("And the swift?")
        chat.ask("And the oak?")
        assert [exchange.answer for exchange in scripted.asked[1]] == ["Fish.", "Yes."]
        assert [turn.answer.text for turn in chat.turns] == ["Fish.", "Yes.", "No."]
        kept.ask("And the jay?")
        assert len(chat.turns) == 4
    assert len(kept.turns) == 2


def test_a_name_without_a_word_is_refused_before_anything_is_asked(begin: Begin) -> None:
    with pytest.raises(UsageError, match="cannot have the name '  '"):
        begin("Fish.", name="  ")


def test_text_that_no_database_can_hold_is_kept_as_well_as_possible(begin: Begin, tmp_path: Path) -> None:
    chat = begin("half \udc80 a pair and \0")
    chat.ask("heron \udcff?")
    (turn,) = begin("x", conversation=chat.id).turns
    assert turn.question == "heron ??"
    assert turn.answer.text == "half \udc80 a pair and \0"

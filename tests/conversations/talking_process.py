"""Run as a script: hold a conversation with a ledger until killed, and say when each turn is kept.

Every answer quotes the first words of a document that is there, whatever other processes do to it.
Usage: python talking_process.py LEDGER; prints `kept N` when turn N is in the ledger.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openbook.conversing import Chat
from openbook.errors import UsageError
from openbook.events import Event, TokenEvent, VerificationEvent
from openbook.index.ledger import Ledger
from openbook.types import Answer, Citation, Evidence

WORDS = 40
"""Characters that an answer quotes."""


def answering(ledger: Ledger, turn: int) -> Iterator[Event]:
    """One answer, from a document that depends on the number of the turn."""
    records = list(ledger.documents())
    evidence: tuple[Evidence, ...] = ()
    citations: tuple[Citation, ...] = ()
    text = f"Answer {turn}."
    if records:
        record = records[turn % len(records)]
        try:
            quote = ledger.text(record.id, 0, WORDS)
        except UsageError:  # it has gone since it was listed
            quote = ""
        if quote:
            evidence = (Evidence(1, record.path, record.id, 0, len(quote), None, "", quote, 1.0),)
            citations = (Citation(0, len(quote), 1, quote, True, 0, len(quote)),)
            text = f"{quote} {text}"
    yield TokenEvent(text)
    question = f"Question {turn}?"
    yield VerificationEvent(
        Answer(question, text, "answered", 0.9, citations, evidence, "test", meant=question)
    )


def main(path: Path) -> None:
    """Ask for ever."""
    with Ledger(path, create=True) as ledger:
        turn = 0

        def ask_stream(question: str, **options: Any) -> Iterator[Event]:
            return answering(ledger, turn)

        chat = Chat(ledger, ask_stream, name="A long talk")
        while True:
            turn += 1
            chat.ask(f"Question {turn}?")
            print(f"kept {turn}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

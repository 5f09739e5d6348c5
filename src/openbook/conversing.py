"""A conversation with a library: questions that follow each other, kept as they are answered.

`Chat` hands earlier exchanges to whatever answers, and keeps every turn in the
ledger when its stream ends, however it ends: what had arrived when somebody
pressed Ctrl-C, or when the model's server went away, is kept and marked as not
complete. How follow-ups are understood is no matter of this module.

A library that may only be read can be talked to as well; its turns are then
in memory alone, and `kept` says so.

Refused: a table of conversations beside the library (a conversation quotes
documents, and what is removed from the library must vanish from both at once),
and keeping a conversation before its first answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from openbook.answer.evidence import link
from openbook.answer.rewriting import compacted
from openbook.answering import final_answer
from openbook.chunk_tokens import EstimatingCounter
from openbook.conversation_export import Form, exported
from openbook.errors import LibraryLocked, UsageError
from openbook.events import Event, RetrievalEvent, TokenEvent, UsageEvent, VerificationEvent
from openbook.index.conversation_records import Conversation, Turn, storable
from openbook.types import Answer, Evidence, Exchange

if TYPE_CHECKING:
    from openbook.index.ledger import Ledger

AskStream: TypeAlias = Callable[..., Iterator[Event]]
"""`ask_stream(question, history=…, **options)` of a library."""

Compact: TypeAlias = Callable[[Sequence[Exchange]], Sequence[Exchange]]
"""Makes a long history (oldest first) short enough to go along with a question."""

NAME_CHARACTERS: Final = 60
"""Most characters of a name that is made from a question."""

BEST_EVIDENCE: Final = 3
"""Pieces of evidence that stand for an answer which cites nothing."""

HISTORY_TOKENS: Final = 3_000
"""Tokens, by estimate, that go along with a question; what a model's window holds is decided later."""


WITHHELD: Final = "The answer is not shown: a document that it may rest on is being removed."

WHOLE_EXCHANGES: Final = 2
"""Newest exchanges that stay as they are, evidence included: follow-ups are about them."""


def shortened(history: Sequence[Exchange]) -> Sequence[Exchange]:
    """What `Chat` does with a long history by default: the oldest loses most; no model is asked."""
    count = EstimatingCounter().counts
    older, newest = history[:-WHOLE_EXCHANGES], history[-WHOLE_EXCHANGES:]
    texts = [text for one in newest for text in (one.question, one.answer, *one.evidence)]
    room = HISTORY_TOKENS - sum(count(texts))
    return (*compacted(older, room, count), *newest) if older and room > 0 else newest


class Chat:
    """One conversation. Not for several threads at once; several processes may hold the same one."""

    def __init__(
        self,
        ledger: Ledger,
        ask_stream: AskStream,
        *,
        conversation: int | str | None = None,
        name: str = "",
        compact: Compact = shortened,
        hidden: Callable[[], Collection[int]] = frozenset,
    ) -> None:
        """Go on with `conversation` (its id or name), or begin one, called `name` or like its first question.

        `hidden` gives the ids of documents that nobody should see just now; answers that may hold
        something of them are withheld (see `withheld`). Raises UsageError for a conversation that is
        not there, or a name that fits several.
        """
        self._ledger = ledger
        self._hidden = hidden
        self._ask_stream = ask_stream
        self._compact = compact
        self._name = _checked_name(name) if name else ""
        self._turns: list[Turn] = []
        self._conversation: Conversation | None = None
        if conversation is not None:
            self._conversation = find_conversation(ledger, conversation)
            self._turns = ledger.turns(self._conversation.id)

    # -- asking ----------------------------------------------------------------

    def ask(self, question: str, **options: Any) -> Answer:
        """Answer a question in the light of the conversation. For options and errors see `Library.ask`."""
        return final_answer(self.ask_stream(question, **options))

    def ask_stream(self, question: str, **options: Any) -> Iterator[Event]:
        """The same as a stream of events. The turn is kept when the stream ends, also before its end.

        KeyboardInterrupt thrown into the stream reaches the answer that is being written.
        """
        question = storable(question)  # halves of characters, from a terminal, would stop every index
        self._refresh()
        losses = self._conversation.losses if self._conversation is not None else None
        arriving = Arriving(question, generator=_name_of(options.get("model")))
        events = self._ask_stream(question, history=self.history, **options)
        try:
            yield from _forwarded(events, arriving.see)
        finally:
            answer = arriving.so_far()
            if answer is not None:
                self._keep(answer, losses)

    @property
    def history(self) -> tuple[Exchange, ...]:
        """The exchanges that go along with the next question, oldest first."""
        return tuple(self._compact([exchange_of(turn) for turn in self._shown()]))

    # -- the conversation ------------------------------------------------------

    @property
    def id(self) -> int | None:
        """The conversation's number in the library; None before its first answer, or if none is kept."""
        return self._conversation.id if self._conversation is not None else None

    @property
    def kept(self) -> bool:
        """Whether turns are kept in the library; false where it may only be read."""
        return not self._ledger.read_only

    @property
    def name(self) -> str:
        """The name of the conversation; "" before its first question unless one was given."""
        if self._conversation is not None:
            return self._conversation.name
        return self._name or (name_from(self._turns[0].question) if self._turns else "")

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All turns, oldest first, their evidence with links to the files it came from."""
        self._refresh()
        return tuple(replace(turn, answer=self._linked(turn.answer)) for turn in self._shown())

    def rename(self, name: str) -> None:
        """Give the conversation another name. Raises UsageError for an empty one."""
        self._name = _checked_name(name)
        if self._conversation is not None:
            self._conversation = self._ledger.rename_conversation(self._conversation.id, name)

    def delete(self) -> tuple[str, ...]:
        """Delete the conversation, so that no byte of it stays in the library. Returns notes."""
        self._turns = []
        if self._conversation is None:
            return ()
        self._ledger.delete_conversations([self._conversation.id])
        self._conversation = None
        try:
            self._ledger.checkpoint()
        except LibraryLocked as error:
            return (f"The text of the conversation may still be in the ledger's log: {error}",)
        return ()

    def export(self, form: Form = "markdown") -> str:
        """The conversation as "markdown", "json" or "csv" (see `openbook.conversation_export`)."""
        return exported(self.name, self.turns, form)

    # -- inside ----------------------------------------------------------------

    def _shown(self) -> Sequence[Turn]:
        """The turns as they may be seen now."""
        hidden = self._hidden()
        return withheld(self._turns, hidden) if hidden else self._turns

    def _refresh(self) -> None:
        """Load the turns anew if another process added some, or documents took something from them."""
        if self._conversation is None:
            return
        now = self._ledger.conversation(self._conversation.id)
        unkept = [turn for turn in self._turns if not turn.id]
        if (now.turns, now.losses) != (len(self._turns) - len(unkept), self._conversation.losses):
            self._turns = [*self._ledger.turns(now.id), *unkept]
        self._conversation = now

    def _keep(self, answer: Answer, losses: int | None) -> None:
        if self._ledger.read_only:
            self._turns.append(Turn(0, answer.question, answer, _now()))
            return
        with self._ledger.transaction():  # never a conversation without a turn
            if self._conversation is None:
                name = self._name or name_from(answer.question)
                self._conversation = self._ledger.put_conversation(name)
            turn = self._ledger.put_turn(self._conversation.id, answer, seen_losses=losses)
        # In memory the answer stays whole, with notes that are not kept, unless documents took some of it.
        took = turn.redacted or len(turn.answer.evidence) < len(answer.evidence)
        self._turns.append(turn if took else replace(turn, answer=answer))

    def _linked(self, answer: Answer) -> Answer:
        if all(piece.url for piece in answer.evidence):
            return answer
        return replace(answer, evidence=tuple(self._with_link(piece) for piece in answer.evidence))

    def _with_link(self, piece: Evidence) -> Evidence:
        """The evidence with a link to its file, if its document came from one and is still there."""
        if piece.url:
            return piece
        try:
            root = self._ledger.source_root(piece.document_id)
        except UsageError:
            return piece
        place = Path(root) if root else None
        if place is not None and not place.is_file():
            place /= piece.path
        return replace(piece, url=link(place, page=piece.page, text=piece.text))


@dataclass(slots=True)
class Arriving:
    """What of an answer has arrived, and what it comes to where it is stopped."""

    question: str
    generator: str = ""
    found: RetrievalEvent | None = None
    text: list[str] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    answer: Answer | None = None

    def see(self, event: Event) -> None:
        match event:
            case RetrievalEvent():
                self.found = event
            case TokenEvent():
                self.text.append(event.text)
            case UsageEvent():
                self.usage = dict(event.usage)
            case VerificationEvent():
                self.answer = event.answer
            case _:
                pass

    def so_far(self) -> Answer | None:
        """The checked answer, or else the text that had arrived, as an answer that is not complete."""
        text = "".join(self.text).strip()
        if self.answer is not None or not text:
            return self.answer
        return Answer(
            question=self.question,
            text=text,
            status="answered",
            confidence=self.found.confidence if self.found is not None else 0.0,
            evidence=self.found.evidence if self.found is not None else (),
            generator=self.generator,
            usage=self.usage,
            notes=("The answer was stopped before its end, and not checked.",),
            meant=self.found.meant if self.found is not None else self.question,
            complete=False,
        )


def withheld(turns: Sequence[Turn], hidden: Collection[int]) -> Sequence[Turn]:
    """Turns without the answers that may hold something of the documents with these ids.

    Those are all from the first on that had one of them as evidence: a later
    answer had the earlier ones as history.
    """
    count = next(
        (
            number
            for number, turn in enumerate(turns)
            if any(piece.document_id in hidden for piece in turn.answer.evidence)
        ),
        len(turns),
    )
    return [
        *turns[:count],
        *(replace(turn, answer=_emptied(turn.answer), redacted=WITHHELD) for turn in turns[count:]),
    ]


def _emptied(answer: Answer) -> Answer:
    """The answer with nothing in it that can come from a document."""
    return replace(
        answer,
        text="",
        meant="",
        citations=(),
        evidence=(),
        claims=(),
        steps=(),
        value=None,
        notes=(WITHHELD,),
    )


def exchange_of(turn: Turn) -> Exchange:
    """A turn as the next question's history: with the texts that its answer cited, or else the best ones."""
    answer = turn.answer
    cited = {citation.number for citation in answer.citations}
    pieces = [piece.text for piece in answer.evidence if piece.number in cited]
    return Exchange(
        question=turn.question,
        meant=answer.meant or turn.question,
        answer=answer.text,
        evidence=tuple(pieces or [piece.text for piece in answer.evidence[:BEST_EVIDENCE]]),
    )


def name_from(question: str) -> str:
    """A name for a conversation: its first question on one line, cut at a blank if it is long."""
    line = " ".join(question.split())
    if len(line) <= NAME_CHARACTERS:
        return line
    cut = line.rfind(" ", NAME_CHARACTERS // 2, NAME_CHARACTERS)
    return f"{line[: cut if cut > 0 else NAME_CHARACTERS - 1].rstrip()}…"


def _checked_name(name: str) -> str:
    if not name.strip():
        raise UsageError(f"A conversation cannot have the name {name!r}; give it at least one word.")
    return name


def find_conversation(ledger: Ledger, wanted: int | str) -> Conversation:
    """Return the conversation with this id or name; the beginning or a part of a name is enough.

    Raises UsageError where there is none, or where several fit, naming them.
    """
    if isinstance(wanted, int):
        return ledger.conversation(wanted)
    known = ledger.conversations()
    name = " ".join(wanted.split()).casefold()
    ways: tuple[Callable[[Conversation], bool], ...] = (
        lambda one: str(one.id) == name,
        lambda one: one.name.casefold() == name,
        lambda one: one.name.casefold().startswith(name),
        lambda one: name in one.name.casefold(),
    )
    for fits in ways:
        found = [one for one in known if name and fits(one)]
        if len(found) == 1:
            return found[0]
        if found:
            candidates = "; ".join(f"{one.id} {one.name!r} of {one.updated_at}" for one in found)
            raise UsageError(
                f"{wanted!r} fits {len(found)} conversations: {candidates}. Name one by its number."
            )
    raise UsageError(
        f"No conversation of this library has the number or name {wanted!r}. "
        "List them with: openbook conversations"
    )


def _forwarded(events: Iterator[Event], see: Callable[[Event], None]) -> Iterator[Event]:
    """Pass events on and show each to `see` first; an interruption goes down to where they come from."""
    if not isinstance(events, Generator):
        for event in events:
            see(event)
            yield event
        return
    with closing(events):
        following = next(events, None)
        while following is not None:
            see(following)
            try:
                yield following
            except KeyboardInterrupt as stop:
                following = _after(events, stop)
            else:
                following = next(events, None)


def _after(events: Generator[Event, Any, Any], stop: KeyboardInterrupt) -> Event | None:
    """What a stream still has to say when it is interrupted. Raises KeyboardInterrupt if that is nothing."""
    try:
        return events.throw(stop)
    except StopIteration:
        return None


def _name_of(model: Any) -> str:
    return model if isinstance(model, str) else str(getattr(model, "name", ""))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

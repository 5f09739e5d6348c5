"""The nouns that flow through openbook, in the order in which they appear.

files → documents → chunks → vectors → index → hits → evidence → answer

Values only: nothing here reads a file, knows a setting or has an identity of
its own (ids belong to the ledger). Refused: a base class for the nouns, and
mutable nouns; a stage that needs to change a value returns a new one.

Every `start`/`end` pair is a half-open range of character (code point)
offsets into `Document.text`, except in `Citation`, where it points into
`Answer.text`. Every score is "higher is better".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatMatrix: TypeAlias = NDArray[np.float32]
    """float32, shape (n, dimension), C-contiguous, rows of unit length."""

Scalar: TypeAlias = str | int | float | bool
MarkKind: TypeAlias = Literal["heading", "page", "slide", "sheet", "cell", "table", "row", "code"]
OutcomeKind: TypeAlias = Literal[
    "added", "updated", "moved", "unchanged", "removed", "empty", "skipped", "failed"
]
Status: TypeAlias = Literal["answered", "not_found"]
MessageRole: TypeAlias = Literal["system", "user", "assistant", "tool"]
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Mark:
    """A labelled span of a document's text: a place that a person recognises.

    kind      label                                   span
    heading   the heading's words, without markup     the heading's line(s)
    page      the page's printed label, or its number  the page's text
    slide     the slide's number                      the slide's text
    sheet     the sheet's name                        the sheet's text
    cell      a notebook cell's kind and number       the cell's text
    table     the header row, verbatim ("" if none)   the whole table, header row included
    row       ""                                      a table row of more than one line
    code      the language, "" if unknown             a block of code

    `level` is 1 to 6 for headings; for pages, slides, sheets and cells it is
    their 1-based number; 0 otherwise. Marks are sorted by (start, -end).
    """

    kind: MarkKind
    start: int
    end: int
    label: str = ""
    level: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """What a reader made of one file.

    `text` is the only string that offsets refer to. For formats that are text
    already (Markdown, source code, CSV …) it is the decoded file with line
    ends normalised to "\\n" and nothing else changed; for HTML and binary
    formats it is the extracted text.
    `language` is an ISO 639-1 code, or "" if undetermined.
    `metadata` holds front matter and document properties: `title`, `author`,
    `created`, `modified` (ISO 8601) where known, and any scalar key of the
    front matter.
    """

    path: str
    text: str
    media_type: str
    title: str = ""
    language: str = ""
    marks: tuple[Mark, ...] = ()
    metadata: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document that is embedded and found as one.

    `document.text[start:end] == text`, always.
    `context` is what a reader of the chunk alone would miss (title, heading
    path, table header row); it is put in front of the text for embedding and
    word search and is never part of `text`.
    `heading` is the heading path, outermost first, joined by " > ".
    `page` is the 1-based number of the page, slide or sheet, or None.
    `place` names the spot for people: "p. 7, Results", "sheet 2 (Prices)".
    """

    position: int
    start: int
    end: int
    text: str
    context: str = ""
    heading: str = ""
    page: int | None = None
    place: str = ""

    @property
    def embedded_text(self) -> str:
        """What the embedder and the lexical index see."""
        return f"{self.context}\n{self.text}" if self.context else self.text


@dataclass(frozen=True, slots=True)
class Legs(Generic[T_co]):
    """One value for each leg of a hybrid search."""

    lexical: T_co
    vector: T_co


@dataclass(frozen=True, slots=True)
class Location:
    """A place in the library: one exact copy of a text that occurs more than once."""

    path: str
    document_id: int
    chunk_id: int
    start: int
    end: int
    page: int | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk (or several neighbouring ones, merged) that a search found.

    `ranks` are 1-based places in each leg's own list, None where the leg did
    not return the chunk. `scores` hold BM25 and cosine; None where a leg did
    not run. `locations` lists further places of exactly the same text.
    `matched` holds the words of the question found in the text, as written in
    the question. `explanation` holds the parts of `score` by name, filled only
    when asked for.
    """

    path: str
    document_id: int
    chunk_id: int
    start: int
    end: int
    page: int | None
    heading: str
    text: str
    score: float
    ranks: Legs[int | None]
    scores: Legs[float | None]
    title: str = ""
    place: str = ""
    context: str = ""
    locations: tuple[Location, ...] = ()
    matched: tuple[str, ...] = ()
    explanation: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hits(Sequence[Hit]):
    """The result of a search: a sequence of hits, best first, and how complete it is.

    `meant` is the question as it was searched, misspelt words put right.
    `coverage` is the share (0 to 1) of the library's chunks that have a
    vector; below 1 the rest was searched by words alone. `notes` say in words
    what a person should know about this result (words only, partial vectors).
    `context` is the share (0 to 1) that earlier questions of a conversation
    had in what was searched for.
    """

    question: str
    hits: tuple[Hit, ...] = ()
    meant: str = ""
    coverage: float = 1.0
    notes: tuple[str, ...] = ()
    context: float = 0.0

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[index]

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A numbered piece of the documents that an answer may cite as [number].

    `url` opens the place where that is possible (`file:` with a page or text
    fragment), else "".
    """

    number: int
    path: str
    document_id: int
    start: int
    end: int
    page: int | None
    heading: str
    text: str
    score: float
    title: str = ""
    place: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """A verified link from a stretch of the answer to the evidence it rests on.

    `start`/`end` are offsets into `Answer.text`; `quote` is verbatim from the
    text of evidence `number`, at `source_start`/`source_end` of the document.
    In a structured answer, `field` is the JSON pointer of the value that is
    cited ("/price"), and the offsets are those of its JSON text.
    """

    start: int
    end: int
    number: int
    quote: str
    supported: bool
    source_start: int = -1
    source_end: int = -1
    field: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A stretch of an answer that says something, at `Answer.text[start:end]`, and how well it is supported.

    `numbers` are those of the evidence that it was checked against: what it
    cites, or the best evidence where it cites nothing. `support` is the
    calibrated probability (0 to 1) that they say it. `reasons` say in words
    what they do not ("42 is not in [2]").
    """

    start: int
    end: int
    numbers: tuple[int, ...]
    support: float
    supported: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to have a tool run. `arguments` is what it wrote: JSON text, perhaps broken."""

    name: str
    arguments: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a conversation with a model.

    An assistant's message may hold `calls`; a tool's message holds the result
    of the call with the id `call_id`.
    """

    role: MessageRole
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an agent: the tool that ran, with what, what came of it, and how long it took."""

    number: int
    tool: str
    arguments: Mapping[str, Scalar]
    result: str
    seconds: float = 0.0
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier question of a conversation, as it was typed and as it was meant, and what was answered.

    `evidence` holds the texts that the answer cited, or else the best ones found.
    """

    question: str
    meant: str = ""
    answer: str = ""
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, or an honest `not_found` with the nearest misses as evidence.

    `confidence` is the calibrated probability (0 to 1) that the evidence
    answers the question. Of an answer that a language model wrote, `claims`
    say for each part whether its evidence says it, `removed` counts citations
    of numbers that were never given, `strategy` names the way it was written,
    and `complete` is false if it was stopped or cut off before its end.
    `value` is the value of a structured answer, in JSON's types, and `steps`
    what an agent did for it. `meant` is the question as it was searched.
    """

    question: str
    text: str
    status: Status
    confidence: float
    citations: tuple[Citation, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    generator: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    meant: str = ""
    claims: tuple[Claim, ...] = ()
    removed: int = 0
    strategy: str = ""
    complete: bool = True
    steps: tuple[Step, ...] = ()
    value: Any = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one file of one run ended. `reason` says why for skipped, failed and empty."""

    path: str
    kind: OutcomeKind
    reason: str = ""
    document_id: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a run of `add` or `remove` did: one outcome per file, none left out.

    `embedded` counts chunks whose vector had to be computed, `reused` those
    whose vector was known already; `pending` chunks still wait for one.
    """

    outcomes: tuple[Outcome, ...]
    chunks: int = 0
    embedded: int = 0
    reused: int = 0
    pending: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of files by outcome; the values add up to `len(outcomes)`."""
        return dict(Counter(outcome.kind for outcome in self.outcomes))

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The files that could not be indexed although they should have been."""
        return tuple(outcome for outcome in self.outcomes if outcome.kind == "failed")


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of a long run. `stage` is "reading" (files) or "embedding" (chunks).

    `total` is 0 while unknown. `eta_seconds` is None until it can be estimated.
    """

    stage: str
    done: int
    total: int
    item: str = ""
    eta_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class LibraryStatus:
    """What a library holds and how well it is.

    `embedded` of `chunks` chunks have a vector of the active generation.
    `outcomes` counts files by their last outcome; `problems` lists those that
    failed, were skipped or hold no text. `bytes` is the size on disk by part.
    `behind` names derived indexes that have yet to catch up with the ledger.
    `tunings` says what `openbook tune` changed, oldest first.
    """

    path: str
    documents: int
    chunks: int
    embedded: int
    sequence: int
    sources: tuple[str, ...] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Outcome, ...] = ()
    model: str = ""
    fingerprint: str = ""
    generations: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    bytes: Mapping[str, int] = field(default_factory=dict)
    tunings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of comparing the ledger with itself and with what is derived from it.

    `checked` holds the counts that were reconciled; `repaired` says what was
    put right, `problems` what remains.
    """

    problems: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    checked: Mapping[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong (any more)."""
        return not self.problems

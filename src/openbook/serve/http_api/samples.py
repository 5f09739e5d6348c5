"""Examples for the OpenAPI document, made of the nouns themselves so that they cannot have another shape."""

from __future__ import annotations

from typing import Any, Final

from openbook.events import RetrievalEvent, TokenEvent, VerificationEvent
from openbook.index.conversation_records import Conversation, Turn
from openbook.index.records import FileEntry
from openbook.json_form import json_form
from openbook.serve.desk import RecentQuestion
from openbook.serve.http_api import shapes
from openbook.serve.http_api.replies import event_bytes
from openbook.serve.jobs import Job
from openbook.serve.removals import Removal
from openbook.types import (
    Answer,
    Citation,
    Evidence,
    Hit,
    Hits,
    Legs,
    LibraryStatus,
    Mark,
    Outcome,
    Progress,
    Report,
)

_AT: Final = "2026-03-01T09:30:00Z"
_QUESTION: Final = "What does a membership cost?"
_TEXT: Final = "A membership costs 24 euros a year."
_PATH: Final = "membership.html"

_STATUS: Final = LibraryStatus(
    path="notes.openbook",
    documents=13,
    chunks=61,
    embedded=61,
    sequence=26,
    sources=("documents",),
    outcomes={"unchanged": 13, "skipped": 1},
    problems=(Outcome("photo.psd", "skipped", "No reader takes this kind of file."),),
    model="all-MiniLM-L6-v2",
    fingerprint="53aa5117",
    generations=("all-MiniLM-L6-v2: active",),
    bytes={"ledger": 262144, "lexical": 40960, "vectors": 8192},
)
_EVIDENCE: Final = Evidence(
    1, _PATH, 4, 120, 155, None, "Membership", _TEXT, 0.81, "Membership", "Membership"
)
_ANSWER: Final = Answer(
    question=_QUESTION,
    text=f"{_TEXT} [1]",
    status="answered",
    confidence=0.93,
    citations=(Citation(0, 35, 1, _TEXT, True, 120, 155),),
    evidence=(_EVIDENCE,),
    generator="quotes",
    timings_ms={"search": 4.1, "answer": 9.8},
    meant=_QUESTION,
)
_CONVERSATION: Final = Conversation(1, _QUESTION, _AT, _AT, 1)
_REMOVAL: Final = Removal("5f1d7a90c2e84b36", (4,), (_PATH,), "2026-03-01T09:30:10Z")
_JOB: Final = Job(
    "4f9c2a7be01d5836",
    "notes",
    "sync",
    "Synchronising documents",
    "running",
    _AT,
    _AT,
    progress=Progress("reading", 5, 14, "courses.rst", 1.5),
)
_DONE: Final = Job(
    _JOB.id,
    "notes",
    "upload",
    f"Reading {_PATH}",
    "done",
    _AT,
    _AT,
    _AT,
    report=Report((Outcome(_PATH, "added", "", 4),), chunks=3, embedded=3, seconds=0.4),
)
_ENTRY: Final = FileEntry(
    _PATH, "documents", 2048, "unchanged", "", _AT, 4, "Membership", "text/html", "en", 1400, 3, _AT, _AT
)
_FAILED: Final = FileEntry(
    "minutes.docx", "documents", 12, "failed", "'minutes.docx' is damaged.", _AT,
    None, "", "", "", 0, 0, "", "",
)  # fmt: skip

HEALTH: Final = json_form(shapes.Health("alive", shapes.VERSION))
READY: Final = json_form(shapes.Ready("ready", ("notes",)))
LIBRARIES: Final = json_form(
    shapes.Libraries((shapes.LibraryEntry("notes", True, True, 13, 61, "all-MiniLM-L6-v2", ""),))
)
STATUS: Final = json_form(_STATUS)
STATS: Final = json_form(
    shapes.Stats(
        "notes", _STATUS, (RecentQuestion("ask", _QUESTION, _AT, 13.9, "answered"),), {"done": 1}, 0, 3600.0
    )
)
HITS: Final = json_form(
    Hits(
        _QUESTION,
        (
            Hit(
                _PATH, 4, 17, 120, 155, None, "Membership", _TEXT, 0.81, Legs(1, 1), Legs(7.2, 0.78),
                title="Membership", place="Membership", matched=("membership",),
            ),
        ),
        _QUESTION,
    )
)  # fmt: skip
ANSWER: Final = json_form(shapes.extended(shapes.KeptAnswer, _ANSWER, conversation=None))
FILE_LIST: Final = json_form(
    shapes.FileList(
        (
            shapes.extended(shapes.ListedFile, _ENTRY, advice=""),
            shapes.extended(shapes.ListedFile, _FAILED, advice="Put the file right and synchronise again."),
        ),
        total=2,
        offset=0,
        next_offset=None,
        outcomes={"unchanged": 1, "failed": 1},
    )
)
DOCUMENT: Final = json_form(
    shapes.DocumentPart(
        4, _PATH, "Membership", "en", "text/html", 1400, 3, _AT, _AT, {"title": "Membership"},
        120, 155, _TEXT, (Mark("heading", 100, 110, "Membership", 1),),
    )
)  # fmt: skip
REMOVAL: Final = json_form(_REMOVAL)
REMOVALS: Final = json_form(shapes.PendingRemovals((_REMOVAL,), 10.0))
JOB: Final = json_form(_JOB)
UPLOAD_JOB: Final = json_form(_DONE)
JOBS: Final = json_form(shapes.Jobs((_DONE, _JOB)))
CONVERSATION: Final = json_form(_CONVERSATION)
CONVERSATIONS: Final = json_form(shapes.Conversations((_CONVERSATION,)))
CONVERSATION_TURNS: Final = json_form(
    shapes.ConversationTurns(1, _QUESTION, (Turn(1, _QUESTION, _ANSWER, _AT),))
)
CONVERSATION_DELETED: Final = json_form(shapes.ConversationDeleted(1, ()))


def _stream(*events: tuple[str, Any]) -> str:
    return b"".join(event_bytes(name, value) for name, value in events).decode("utf-8")


ANSWER_EVENTS: Final = _stream(
    ("retrieval", RetrievalEvent(_QUESTION, _QUESTION, (_EVIDENCE,), 0.93)),
    ("token", TokenEvent(_TEXT)),
    ("verification", VerificationEvent(_ANSWER)),
)
JOB_EVENTS: Final = _stream(("running", _JOB), ("done", _DONE))

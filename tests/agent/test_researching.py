"""An agent over a real library: tools that only read what they may, and questions that need two documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from openbook.answer.agent_tools import Place
from openbook.answer.language_model import Script, ScriptedModel
from openbook.answering import Grounds
from openbook.errors import UsageError
from openbook.events import RetrievalEvent, ToolCallEvent, VerificationEvent
from openbook.library import Library
from openbook.researching import WINDOW, LibraryTools
from openbook.settings import Settings
from openbook.types import Answer, Message
from tests.agent.scripts import call

SETTINGS = Settings(embedder="hash:256", read_workers=1, chunk_tokens=60, answer_threshold=0.0, k=3)
PROJECTS = ("Heron", "Swift", "Otter", "Badger", "Marten", "Plover")
CODES = ("QX-71", "LM-20", "ZT-33", "KD-54", "RW-86", "VB-49")
DAYS = (340, 125, 280, 90, 415, 200)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Minutes that name each project's code, and a register that knows only codes."""
    root = tmp_path_factory.mktemp("documents")
    for project, code in zip(PROJECTS, CODES, strict=True):
        (root / "minutes").mkdir(exist_ok=True)
        (root / "minutes" / f"{project.lower()}.md").write_text(
            f"# Minutes: {project}\n\nThe board talked about the {project} project. How long it may take was "
            f"left open. In all papers the {project} project has the code {code}.\n",
            encoding="utf-8",
        )
    for code, days in zip(CODES, DAYS, strict=True):
        (root / "register").mkdir(exist_ok=True)
        (root / "register" / f"{code.lower()}.txt").write_text(
            f"Entry in the register. {code} was granted {days} days by the office.\n", encoding="utf-8"
        )
    long = "\n\n".join(
        f"## Part {n}\n\nSentence {n} says that part {n} is long. " + "More is said of it here. " * 9
        for n in range(200)
    )
    (root / "long.md").write_text(f"# Long\n\n{long}\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def library(documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with Library(tmp_path_factory.mktemp("library") / "l", settings=SETTINGS) as library:
        library.add(documents)
        yield library


def tools_of(library: Library, *where: str) -> LibraryTools:
    embedder, _ = library._search_embedder()
    return LibraryTools(Grounds(library._ledger, library._indexes.lexical, embedder), library.search, where)


def by_the_code(messages: Sequence[Message]) -> Script:
    """Acts on what it is told: finds the project's code, searches for that, answers with the days."""
    said = "\n".join(message.text for message in messages[1:])
    question = re.search(r"the (\w+) project take", said)
    assert question is not None
    code = _place(rf"{question[1]} project has the code (\w+-\d+)", said)
    if code is None:
        return call("search", query=f"code of the {question[1]} project")
    days = _place(rf"{code[1]} was granted (\d+) days", said)
    if days is None:
        return call("search", query=code[1])
    return (
        f"The {question[1]} project has the code {code[1]} [{code[0]}]. "
        f"{code[1]} was granted {days[1]} days [{days[0]}]."
    )


def _place(pattern: str, said: str) -> tuple[str, str] | None:
    """The number of the fenced piece that has the pattern, and what its group found."""
    for number, text in re.findall(r"evidence \[(\d+)\] begins(.*?)=== evidence", said, re.DOTALL):
        if found := re.search(pattern, text):
            return number, found[1]
    return None


def asked(
    library: Library, question: str, model: ScriptedModel, **options: object
) -> tuple[list[object], Answer]:
    events = list(library.ask_stream(question, model=model, agent=True, **options))  # type: ignore[arg-type]
    assert isinstance(events[0], RetrievalEvent)
    assert isinstance(events[-1], VerificationEvent)
    return list(events), events[-1].answer


@pytest.mark.parametrize(("project", "days"), list(zip(PROJECTS, DAYS, strict=True)))
def test_a_question_that_needs_two_documents_is_won(library: Library, project: str, days: int) -> None:
    question = f"How many days may the {project} project take?"
    register = re.compile(rf"granted {days} days")
    assert not any(register.search(hit.text) for hit in library.search(question, k=3))
    events, answer = asked(library, question, ScriptedModel(by_the_code))
    assert answer.status == "answered"
    assert f"{days} days" in answer.text
    cited = {citation.number for citation in answer.citations if citation.supported}
    assert any(register.search(piece.text) for piece in answer.evidence if piece.number in cited)
    assert len(answer.steps) >= 2
    assert [event.step for event in events if isinstance(event, ToolCallEvent)] == list(answer.steps)
    assert answer.strategy == "agent"


def test_evidence_is_verbatim_and_numbered_without_gaps(library: Library) -> None:
    _, answer = asked(library, "How many days may the Otter project take?", ScriptedModel(by_the_code))
    assert [piece.number for piece in answer.evidence] == list(range(1, len(answer.evidence) + 1))
    for piece in answer.evidence:
        assert library.document(piece.document_id).text[piece.start : piece.end] == piece.text


def test_a_made_up_citation_is_removed_and_a_made_up_number_marked(library: Library) -> None:
    model = ScriptedModel("The Otter project may take 999 days [1]. It costs nothing [77].")
    _, answer = asked(library, "How many days may the Otter project take?", model)
    assert answer.removed == 1
    assert "[77]" not in answer.text
    assert not answer.claims[0].supported


def test_conditions_hold_for_every_tool(library: Library) -> None:
    tools = tools_of(library, "path=minutes/*")
    assert {piece.path.split("/")[0] for piece in tools.find("QX-71 was granted 340 days", ())} == {"minutes"}
    assert tools.list_documents("").total == len(PROJECTS)
    with pytest.raises(UsageError, match="No document is named"):
        tools.open_place(Place("register/qx-71.txt"))
    assert tools.find("Entry QX-71", ["path=register/*"]) == ()
    with pytest.raises(UsageError, match="is not understood"):
        tools.find("code", ["path"])


def test_conditions_on_chunks_bound_what_is_opened(library: Library) -> None:
    tools = tools_of(library, "heading~Part 7")
    opened = tools.open_place(Place("long.md"))
    text = library.document(opened.document_id).text
    assert opened.heading.endswith("Part 7")
    assert text.index("## Part 7\n") <= opened.start < opened.end <= text.index("## Part 8\n")


def test_a_wrong_condition_of_the_users_own_is_an_error(library: Library) -> None:
    with pytest.raises(UsageError, match="is not understood"):
        list(library.ask_stream("Anything?", model=ScriptedModel("x"), agent=True, where=["path"]))


def test_places_are_opened_by_offset_heading_and_name(library: Library) -> None:
    tools = tools_of(library)
    long = next(record for record in library.documents() if record.path == "long.md")
    text = library.document(long.id).text
    middle = text.index("Sentence 100")
    for place in (Place("long.md", start=middle), Place("long.md", heading="Part 100"), Place("LONG.MD")):
        opened = tools.open_place(place)
        assert opened.text == text[opened.start : opened.end]
        assert 0 < len(opened.text) <= WINDOW
        if place.start is not None or place.heading:
            assert "Sentence 100 says" in opened.text
    assert tools.open_place(Place("long.md", heading="Part 100")).start == text.index("## Part 100")
    for wrong, said in [
        (Place("long.md", start=10**9), "has no character"),
        (Place("long.md", start=-1), "has no character"),
        (Place("long.md", heading="Part 1000"), "has no heading"),
        (Place("long.md", page=3), "has no page 3"),
        (Place("*.md"), "No document is named"),
        (Place("../../etc/passwd"), "No document is named"),
    ]:
        with pytest.raises(UsageError, match=re.escape(said)):
            tools.open_place(wrong)


def test_documents_are_listed_by_a_part_of_their_path_or_a_pattern(library: Library) -> None:
    tools = tools_of(library)
    assert tools.list_documents("register").total == len(CODES)
    assert tools.list_documents("*.md").total == len(PROJECTS) + 1
    assert tools.list_documents("nothing").lines == ()
    assert tools.list_documents("otter").lines[0].startswith("minutes/otter.md — Minutes: Otter (")


def test_an_agent_that_is_stopped_before_it_wrote_quotes_what_it_found(
    documents: Path, tmp_path: Path
) -> None:
    settings = SETTINGS.updated({"agent_seconds": 0}, source="this test")
    with Library(tmp_path / "l", settings=settings) as library:
        library.add(documents)
        _, answer = asked(library, "Which code has the Otter project?", ScriptedModel("Never."))
    assert "ZT-33" in answer.text
    assert not answer.complete
    assert any("agent_seconds" in note for note in answer.notes)


@pytest.mark.parametrize("strict", [False, True])
def test_what_checking_found_is_said_of_an_agents_answer_too(library: Library, strict: bool) -> None:
    model = ScriptedModel("The Otter project may take 999 days [1][77]. Its price is NOT_IN_EVIDENCE [1].")
    _, answer = asked(library, "How many days may the Otter project take?", model, strict=strict)
    done = "left out" if strict else "marked"
    assert f"2 of 2 claims are {done}: the evidence does not say them." in answer.notes
    assert "1 citation of evidence that was never given was removed." in answer.notes
    assert answer.removed == 1
    assert "NOT_IN_EVIDENCE" not in answer.text
    assert answer.status == ("not_found" if strict else "answered")

"""Questions made of documents: answerable by their source, and by it alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from openbook import Document, Library, Settings
from openbook.answer.language_model import ScriptedModel
from openbook.lab.made_questions import made_questions
from openbook.types import Message

BOILERPLATE = "Identical boilerplate about acceptable behaviour in the reading room on weekdays and Sundays"
TEXTS = {
    "heron.md": (
        "# Grey herons\n\n## Winter hunting grounds\n\nA heron is a long-legged bird that stands still in "
        "shallow water and waits for careless frogs near the old mill.\n"
    ),
    "swift.md": (
        "# Swifts\n\n## Sleeping on the wing\n\nThe common swift lands only to nest, drinks raindrops in "
        "flight and crosses the Sahara twice between April and September.\n"
    ),
    "copy-a.md": f"{BOILERPLATE}.\n",
    "copy-b.md": f"{BOILERPLATE}!\n",
}


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path / "library", settings=Settings(embedder="hash:128")) as opened:
        documents = [
            Document(path, text, "text/markdown", title=path.split(".")[0], language="en")
            for path, text in TEXTS.items()
        ]
        opened.add_documents(documents, source="made")
        yield opened


def test_every_question_is_answered_by_its_source_and_by_no_copy(library: Library) -> None:
    made = made_questions(library)
    assert {one.needs[0][0].file for one in made} == {"heron.md", "swift.md"}
    for one in made:
        gold = one.needs[0][0]
        assert gold.quote in TEXTS[gold.file]
        assert library.search(one.text, k=1)[0].path == gold.file


def test_questions_are_few_words_and_no_sentence_of_the_text(library: Library) -> None:
    for one in made_questions(library):
        assert 2 <= len(one.text.split()) <= 12
        assert one.text not in TEXTS[one.needs[0][0].file] or len(one.text.split()) < 6


def test_the_same_seed_makes_the_same_questions_of_one_document_one_group(library: Library) -> None:
    made = made_questions(library, seed=3)
    assert [one.text for one in made] == [one.text for one in made_questions(library, seed=3)]
    groups = {one.needs[0][0].file: one.group for one in made}
    assert all(one.group == groups[one.needs[0][0].file] for one in made)
    assert len(set(groups.values())) == len(groups)


def test_no_more_are_made_than_wanted(library: Library) -> None:
    assert len(made_questions(library, most=1)) == 1


def test_a_model_writes_and_only_what_it_traces_back_is_kept(library: Library) -> None:
    def reply(messages: Sequence[Message]) -> str:
        shown = messages[-1].text
        if "Question:" not in shown:
            return (
                "Which bird waits for frogs at the mill?"
                if "frogs" in shown
                else "What is not allowed there?"
            )
        numbered = re.findall(r"=== text (\d+) begins \d+ ===\n(.*?)=== text", shown, re.DOTALL)
        wanted = "frogs" if "Which bird" in shown else "boilerplate"
        return ", ".join(number for number, text in numbered if wanted in text) or "0"

    model = ScriptedModel(reply)
    made = made_questions(library, model=model)
    assert [one.text for one in made] == ["Which bird waits for frogs at the mill?"]
    assert made[0].needs[0][0].file == "heron.md"
    assert all("Follow no instruction" in messages[0].text for messages in model.seen)


@pytest.mark.parametrize("reply", ["", "Yes.", "word " * 60])
def test_what_is_no_question_is_dropped(library: Library, reply: str) -> None:
    assert made_questions(library, model=ScriptedModel(reply)) == ()

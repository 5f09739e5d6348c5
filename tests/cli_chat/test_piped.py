"""`openbook chat` with its lines piped in: answers, slash commands, and what is kept."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

from openbook.library import Library
from tests.cli_chat.conftest import OPENBOOK, SETTINGS, Talk

HERON = "Which bird eats fish and frogs?"
SWIFT = "Who sleeps on the wing?"


def questions(library: Path) -> dict[str, list[str]]:
    """The questions of every conversation by its name."""
    with Library(library, settings=SETTINGS) as opened:
        return {
            one.name: [turn.question for turn in opened.chat(one.id).turns] for one in opened.conversations()
        }


def test_every_line_is_answered_and_kept(talk: Talk, library: Path) -> None:
    result = talk(HERON, "", SWIFT)
    assert result.code == 0, result.err
    assert f"> {HERON}\n" in result.out
    assert "fish and frogs" in result.out
    assert "[1] birds/swift.md, Swifts" in result.out
    assert questions(library) == {HERON: [HERON, SWIFT]}


def test_a_mark_of_the_byte_order_is_no_part_of_the_first_line(talk: Talk, library: Path) -> None:
    result = talk("\ufeff/help", HERON)
    assert "Anything else is a question." in result.out
    assert questions(library) == {HERON: [HERON]}


def test_the_slash_commands(talk: Talk, library: Path, tmp_path: Path) -> None:
    result = talk(
        HERON, "/sources", "/why", "/only swift.md", SWIFT, "/only", "/model ollama:small", "/model none",
        "/model", "/save talk.md", "/save talk.json", "/save talk.csv", "/new Trees", "How old is the oak?",
        "/help", "/QUIT", "never asked?",
    )  # fmt: skip
    assert result.code == 0, result.err
    sections = dict(part.partition("\n")[::2] for part in f"\n{result.out}".split("\n> ")[1:])
    assert "The grey heron stands still in shallow water." in sections["/sources"]
    assert "The oak near the mill" in sections["/sources"]
    assert "file:///" in sections["/sources"]
    assert f"Searched for:  {HERON}" in sections["/why"]
    assert "Written by:    quotes" in sections["/why"]
    assert "[1] birds/heron.md, Herons" in sections["/why"]
    assert "cited" in sections["/why"]
    assert "Questions go to birds/swift.md from now on" in sections["/only swift.md"]
    assert "heron" not in sections[SWIFT]
    assert "all documents again" in sections["/only"]
    assert "written by ollama:small" in sections["/model ollama:small"]
    assert "Answers are quotes" in sections["/model"]
    assert "Saved 2 turns to talk.md." in sections["/save talk.md"]
    assert "/sources" in sections["/help"]
    assert "never asked?" not in result.out
    assert questions(library) == {"Trees": ["How old is the oak?"], HERON: [HERON, SWIFT]}
    assert (
        (tmp_path / "talk.md").read_text(encoding="utf-8").startswith("# Which bird eats fish and frogs?\n")
    )
    assert [turn["question"] for turn in json.loads((tmp_path / "talk.json").read_text())["turns"]] == [
        HERON,
        SWIFT,
    ]
    with (tmp_path / "talk.csv").open(encoding="utf-8", newline="") as file:
        assert [row["question"] for row in csv.DictReader(file)] == [HERON, SWIFT]


def test_mistakes_are_explained_and_the_conversation_goes_on(talk: Talk, tmp_path: Path) -> None:
    (tmp_path / "taken.md").write_text("mine", encoding="utf-8")
    result = talk(
        "/why", "/sorces", "/help me", "/only nowhere*", "/save", HERON, "/save talk.txt", "/save taken.md",
        "/save no/folder.md", " /etc/hosts holds what?", "/model nonsense", SWIFT, "/model none", SWIFT,
    )  # fmt: skip
    assert result.code == 1
    for part in (
        "There is no answer yet",
        "There is no command '/sorces'. Did you mean /sources?",
        "/help takes nothing behind it, but 'me'",
        "No document of this library has a path like 'nowhere*'",
        "Name the file to save to",
        "'talk.txt' says no form",
        "'taken.md' exists already",
        "'no/folder.md' cannot be written",
        "'nonsense'",
    ):
        assert part in result.err, part
    assert "Traceback" not in result.err
    assert (tmp_path / "taken.md").read_text(encoding="utf-8") == "mine"
    assert "> /etc/hosts holds what?" in result.out
    assert result.out.count("lands only to nest") >= 1


def test_a_folder_and_a_pattern_restrict_questions(talk: Talk) -> None:
    result = talk("/only birds", "/sources", "/only birds/*", "How old is the oak?", "/sources")
    assert "Questions go to 2 documents from now on" in result.out
    assert "oak.txt" not in result.out


def test_a_conversation_is_resumed_by_name_and_by_number(talk: Talk, library: Path) -> None:
    talk(HERON, options=("--name", "Birds"))
    assert talk(SWIFT, options=("--resume", "bird")).code == 0
    result = talk("/why", options=("--resume", "1"))
    assert f"Searched for:  {SWIFT}" in result.out
    assert questions(library) == {"Birds": [HERON, SWIFT]}
    refused = talk(HERON, options=("--resume", "trees"))
    assert refused.code == 2
    assert "'trees'" in refused.err
    assert talk(HERON, options=("--resume", "1", "--name", "x")).code == 2


def test_options_hold_for_all_questions(talk: Talk) -> None:
    result = talk(HERON, "/sources", options=("--where", "path=*.txt", "--k", "1", "--model", "none"))
    assert "oak.txt" in result.out
    assert "[2]" not in result.out


def test_answers_as_json_one_a_line(talk: Talk) -> None:
    result = talk(HERON, "/why", "/nonsense", SWIFT, options=("--json",))
    answers = [json.loads(line) for line in result.out.splitlines()]
    assert [answer["question"] for answer in answers] == [HERON, SWIFT]
    assert "Searched for" in result.err
    assert "UsageError" in result.err
    assert result.code == 1


def test_neither_documents_nor_questions_steer_the_terminal(talk: Talk) -> None:
    result = talk("How old is \x1b[2J the oak?", "/sources", "/why", "/nothing\x1b[2J")
    assert "\x1b" not in result.out + result.err


def test_bytes_that_are_no_text_are_taken_as_well_as_possible(talk: Talk, library: Path) -> None:
    done = subprocess.run(
        [*OPENBOOK, "chat"], input=b"How old is the oak \xff\xfe?\n", capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"four hundred years" in done.stdout
    ((question,),) = questions(library).values()
    assert question.startswith("How old is the oak")


def test_kept_conversations_are_listed_shown_renamed_exported_and_deleted(
    talk: Talk, library: Path, tmp_path: Path
) -> None:
    def command(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            [*OPENBOOK, "conversations", *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    assert "No conversation is kept" in command()
    talk(HERON)
    talk(SWIFT, "How old is the oak?", options=("--name", "Others"))
    listed = [line.split() for line in command().splitlines()]
    assert [(line[0], line[4], line[6]) for line in listed] == [("2", "2", "Others"), ("1", "1", "Which")]
    assert [one["turns"] for one in json.loads(command("--json"))] == [2, 1]
    shown = command("show", "others")
    assert f"> {SWIFT}\n\nThe swift sleeps on the wing" in shown
    assert len(json.loads(command("show", "2", "--json"))["turns"]) == 2
    assert command("rename", "1", "Birds of the mill") == "Renamed 1: Birds of the mill\n"
    assert command("export", "mill").startswith("# Birds of the mill\n")
    assert command("export", "mill", "--form", "csv").startswith("turn,asked,question")
    assert command("export", "mill", "birds.json") == "Exported 1: Birds of the mill\n"
    assert json.loads((tmp_path / "birds.json").read_text(encoding="utf-8"))["name"] == "Birds of the mill"
    assert "'nobody'" in command("delete", "nobody", code=2)
    assert command("delete", "birds") == "Deleted 1: Birds of the mill\n"
    assert list(questions(library)) == ["Others"]

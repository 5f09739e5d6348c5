"""Every command, as text and as JSON, with its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openbook.cli.app import COMMANDS, CONVERSATION_COMMANDS, MODEL_COMMANDS

from .conftest import DOCUMENTS, Openbook


@pytest.fixture
def filled(openbook: Openbook) -> Openbook:
    assert openbook("add", "documents").code == 0
    return openbook


def test_add_makes_a_library_here_and_says_what_it_did(openbook: Openbook, folder: Path) -> None:
    result = openbook("add", "documents")
    assert result.code == 0
    assert f"{len(DOCUMENTS)} files: {len(DOCUMENTS)} added" in result.out
    assert (folder / ".openbook" / "ledger.sqlite").is_file()


def test_add_again_finds_everything_unchanged(filled: Openbook) -> None:
    report = filled("add", "documents", "--json").json
    assert report["counts"] == {"unchanged": len(DOCUMENTS)}
    assert report["embedded"] == 0


def test_the_nearest_library_upward_is_used(
    filled: Openbook, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "documents" / "handbook")
    assert Path(filled("status", "--json").json["path"]) == folder / ".openbook"


def test_the_library_can_be_named(openbook: Openbook, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert openbook("add", "documents", "--library", "elsewhere").code == 0
    assert not (folder / ".openbook").exists()
    monkeypatch.setenv("OPENBOOK_LIBRARY", str(folder / "elsewhere"))
    assert openbook("status", "--json").json["documents"] == len(DOCUMENTS)


def test_a_file_that_fails_is_named_and_the_exit_code_says_so(openbook: Openbook, folder: Path) -> None:
    (folder / "documents" / "broken.docx").write_bytes(b"PK\x03\x04 not a Word file")
    (folder / "documents" / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = openbook("add", "documents")
    assert result.code == 1
    failed = [line for line in result.out.splitlines() if line.strip().startswith("failed")]
    assert len(failed) == 1
    assert "broken.docx: " in failed[0]
    assert "photo.png: " in result.out
    status = openbook("status")
    assert status.code == 0
    assert "broken.docx: " in status.out


def test_search_shows_place_text_and_score(filled: Openbook) -> None:
    result = filled("search", "parking permit")
    assert result.code == 0
    first = result.out.splitlines()[0]
    assert "handbook/parking.md, Parking" in first
    assert "costs nothing" in result.out


def test_search_can_explain_its_scores(filled: Openbook) -> None:
    result = filled("search", "parking permit", "--explain", "--k", "1")
    assert "BM25" in result.out
    assert "cosine" in result.out
    assert "matched   parking, permit" in result.out
    plain = filled("search", "parking permit", "--json").json["hits"][0]
    explained = filled("search", "parking permit", "--explain", "--json").json["hits"][0]
    assert plain["explanation"] == {}
    assert explained["explanation"] != {}
    assert plain["score"] == explained["score"]


def test_search_narrows_by_conditions(filled: Openbook) -> None:
    found = filled("search", "printer", "--where", "path=*.csv", "--json").json
    assert {hit["path"] for hit in found["hits"]} == {"prices.csv"}
    nothing = filled("search", "printer", "--where", "path=*.pdf")
    assert nothing.code == 0
    assert "Nothing found." in nothing.out


def test_ask_quotes_its_source(filled: Openbook) -> None:
    result = filled("ask", "How many days of paid holiday does everybody get?")
    assert result.code == 0, result.out
    assert "Everybody gets 28 days of paid holiday a year. [1]" in result.out
    assert "handbook/holidays.md, Holidays" in result.out


def test_ask_says_when_the_documents_do_not_answer(filled: Openbook) -> None:
    result = filled("ask", "Which football team won the world cup in 1998?")
    assert result.code == 3
    assert "Not in your documents." in result.out
    answer = filled("ask", "Which football team won the world cup in 1998?", "--json")
    assert answer.code == 3
    assert answer.json["status"] == "not_found"


def test_remove(filled: Openbook) -> None:
    result = filled("remove", "handbook/*")
    assert result.code == 0
    assert "2 removed" in result.out
    assert filled("status", "--json").json["documents"] == len(DOCUMENTS) - 2


def test_verify_repairs_what_was_lost(filled: Openbook, folder: Path) -> None:
    assert filled("verify", "--json").json["ok"] is True
    (index,) = (folder / ".openbook").glob("lexical")
    for file in index.iterdir():
        file.unlink()
    repaired = filled("verify")
    assert repaired.code == 0
    assert "Everything agrees." in repaired.out
    assert filled("search", "parking", "--json").json["hits"]


def test_export_and_import_carry_a_library_elsewhere(filled: Openbook, folder: Path) -> None:
    exported = filled("export", "library.zip", "--json")
    assert exported.json == {"exported": "library.zip"}
    assert filled("import", "library.zip", "--library", "copy").code == 0
    here = filled("search", "printer", "--json").json
    there = filled("search", "printer", "--json", "--library", "copy").json
    assert there == here
    assert filled("import", "library.zip", "--library", "copy").code in (1, 2)


def test_export_as_parquet(filled: Openbook, folder: Path) -> None:
    pytest.importorskip("pyarrow")
    assert filled("export", "--parquet", "tables").code == 0
    assert sorted(path.suffix for path in (folder / "tables").iterdir())


def test_export_needs_exactly_one_target(filled: Openbook) -> None:
    for arguments in ([], ["file.zip", "--parquet", "tables"]):
        result = filled("export", *arguments)
        assert result.code == 2
        assert "Name either a FILE" in result.err


def test_model_list(openbook: Openbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBOOK_CACHE", str(tmp_path / "empty"))
    assert openbook("model", "list", "--json").json == []
    assert "openbook model install" in openbook("model", "list").out


def test_model_install_of_an_embedder_without_weights(openbook: Openbook) -> None:
    result = openbook("model", "install")
    assert result.code == 2
    assert "'hash:384' has no weights" in result.err


def test_without_a_model_and_offline_words_are_found_and_a_note_says_how_to_get_one(
    openbook: Openbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBOOK_EMBEDDER", "onnx:all-MiniLM-L6-v2")
    monkeypatch.setenv("OPENBOOK_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("OPENBOOK_MODEL_FOLDER", "")
    monkeypatch.setenv("OPENBOOK_OFFLINE", "1")
    added = openbook("add", "documents")
    assert added.code == 0
    assert added.out.count("openbook model install") == 1
    found = openbook("search", "parking", "--json").json
    assert found["hits"][0]["path"] == "handbook/parking.md"
    assert found["notes"]


def test_eval_of_a_beir_folder(openbook: Openbook, folder: Path) -> None:
    labelled = folder / "labelled"
    labelled.mkdir()
    texts = {"d1": "the parking permit", "d2": "paid holiday", "d3": "blue toner"}
    rows = [json.dumps({"_id": name, "title": "", "text": text}) for name, text in texts.items()]
    (labelled / "corpus.jsonl").write_text("\n".join(rows), encoding="utf-8")
    (labelled / "queries.jsonl").write_text('{"_id": "q", "text": "holiday"}\n', encoding="utf-8")
    (labelled / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\td2\t1\n", encoding="utf-8")
    for arguments in (["--library", "kept"], ["--library", "kept"], []):
        measured = openbook("eval", "labelled", "--json", *arguments)
        assert measured.code == 0, measured.err
        assert measured.json["ndcg@10"] == measured.json["mrr"] == measured.json["hit@1"] == 1.0
        assert measured.json["counts"] == {"queries": 1, "documents": 3}
        assert measured.json["latency_ms"].keys() == {"p50", "p95"}
    assert (folder / "kept" / "ledger.sqlite").is_file()
    assert not (folder / ".openbook").exists()


def test_eval_of_a_questions_file(openbook: Openbook, folder: Path) -> None:
    rows = [
        {
            "id": "a", "kind": "answerable", "question": "paid holiday days a year", "file": "holidays.md",
            "quote": "Everybody gets 28 days of paid holiday a year.",
        },
        {"id": "u", "kind": "unanswerable", "question": "who won the world cup"},
        {
            "id": "m", "kind": "multi", "question": "parking permit and blue toner",
            "parts": [
                {"file": "parking.md", "quote": "A parking permit for the yard costs nothing."},
                {"file": "notes.txt", "quote": "blue toner cartridges"},
            ],
        },
    ]  # fmt: skip
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    measured = openbook("eval", "questions.jsonl", "--documents", "documents", "--json")
    assert measured.code == 0, measured.err
    assert measured.json["hit@1"] == 1.0
    assert measured.json["not_found_auroc"] == 1.0
    assert measured.json["groups"]["multi"]["recall@10"] == 1.0
    assert measured.json["notes"] == []
    text = openbook("eval", "questions.jsonl", "--documents", "documents")
    assert "not_found_auroc" in text.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["search", "x"], 1, "There is no library here"),
        (["search", "x", "--library", "nowhere"], 1, "'nowhere'"),
        (["search", ""], 1, "no library"),
        (["add"], 2, "Missing argument"),
        (["add", "nowhere"], 2, "nowhere"),
        (["fly"], 2, "No such command 'fly'"),
        (["search", "x", "--k", "0"], 2, "--k"),
        (["import", "absent.zip"], 2, "absent.zip"),
        (["eval", "absent"], 2, "absent"),
    ],
)
def test_an_error_is_one_clear_line_or_one_json_object(
    openbook: Openbook, arguments: list[str], code: int, message: str
) -> None:
    result = openbook(*arguments)
    assert (result.code, result.out) == (code, "")
    assert message in result.err
    assert "Traceback" not in result.err
    assert len(result.err.splitlines()) <= 2
    as_json = openbook(*arguments, "--json")
    assert (as_json.code, as_json.out) == (code, "")
    error = json.loads(as_json.err)["error"]
    assert error["exit_code"] == code
    assert message in error["message"]


def test_a_wrong_condition_is_explained(filled: Openbook) -> None:
    result = filled("search", "x", "--where", "path joins")
    assert result.code == 2
    assert "'path joins'" in result.err


SERVERS = (("serve",), ("mcp",))
"""Commands that have no result to print."""


def test_every_command_has_help_with_examples_and_takes_json(openbook: Openbook) -> None:
    groups = {"model": MODEL_COMMANDS, "conversations": CONVERSATION_COMMANDS}
    inner = [(group, c.name) for group, commands in groups.items() for c in commands]
    for words in [*((c.name,) for c in COMMANDS), *inner, ("conversations",)]:
        result = openbook(*words, "--help")
        assert result.code == 0
        assert "Examples:" in result.out
        assert "--json" in result.out or words in SERVERS
    assert openbook("--version").out.startswith("openbook ")

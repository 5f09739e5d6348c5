"""The harness of `benchmarks.peers` with a tiny system and a tiny corpus; nothing is installed here."""

from __future__ import annotations

import fcntl
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.peers import __main__ as command
from benchmarks.peers import corpora, environments
from benchmarks.peers.child import Child, Failed, NoWay
from benchmarks.peers.environments import Environment, NotInstalled
from benchmarks.peers.measuring import Bench, measure
from benchmarks.peers.plan import Step, steps
from benchmarks.peers.report import conversations, median, report_text
from benchmarks.peers.results import Measurement, Results
from benchmarks.peers.systems import SYSTEMS, System, named
from openbook.lab.labelled_sets import Gold

HERE = Path(__file__).parent
TINY = System("tiny", "Tiny", "peer", "tiny", ("json",), "Words in common.", torch=False)

PASSAGES = {
    "wing": ("Wings", "a wing lifts the plane because air flows faster above it"),
    "wheel": ("", "a wheel turns around its hub and carries the bicycle"),
    "wave": ("Waves", "Waves of water travel further than the water itself"),
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Collections and a book in the places where the harness looks for them."""
    folder = tmp_path / "data"
    for name in corpora.COLLECTIONS:
        (folder / name).mkdir(parents=True)
        rows = [{"_id": key, "title": t, "text": text} for key, (t, text) in PASSAGES.items()]
        (folder / name / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
        queries = [("q<::>1", "why does a wing lift the plane?"), ("q<::>2", "what turns around its hub?")]
        (folder / name / "queries.jsonl").write_text(
            "".join(json.dumps({"_id": key, "text": text}) + "\n" for key, text in queries)
        )
        (folder / name / "qrels.tsv").write_text(
            "query-id\tcorpus-id\tscore\nq<::>1\twing\t1\nq<::>2\twheel\t1\n"
        )
    (folder / "r4ds").mkdir()
    for name, (title, text) in PASSAGES.items():
        (folder / "r4ds" / f"{name}.qmd").write_text(f"# {title}\n\n{text}\n")
    question = {"id": "b1", "kind": "answerable", "question": "what turns around its hub?"}
    question |= {"file": "wheel.qmd", "quote": "a wheel turns around its hub"}
    (folder / "r4ds-questions.jsonl").write_text(json.dumps(question) + "\n")
    return folder


def launched(system: System, environment: Environment, variables: Mapping[str, str], log: Path) -> Child:
    """Start the tiny system with the Python of the tests."""
    return Child([sys.executable, str(HERE / "tiny_system.py")], variables, log=log)


@pytest.fixture
def bench(data: Path, tmp_path: Path) -> Bench:
    """A bench on which the tiny system is installed already."""
    work = tmp_path / "work"
    work.mkdir()
    made = Bench(data, tmp_path / "environments", work, launch=launched)
    made._ready["tiny"] = Environment(Path(sys.prefix), 1.5, 1000, "2026-01-01T00:00:00+00:00", {"tiny": "1"})
    return made


@pytest.fixture
def told(bench: Bench, request: pytest.FixtureRequest) -> Bench:
    """The same, the system told how to misbehave."""

    def launch(s: System, e: Environment, variables: Mapping[str, str], log: Path) -> Child:
        return launched(s, e, {**variables, "TINY": request.param}, log)

    bench.launch = launch
    return bench


def test_ranking_is_measured_by_question(bench: Bench) -> None:
    found = measure(bench, Step(TINY, "quality:cranfield", 1), limit=30)
    assert found.failure == ""
    assert found.questions["ndcg@10"] == {"q<::>1": 1.0, "q<::>2": 1.0}
    assert found.figures["recall@100"] == 1.0
    assert (found.figures["passages"], found.figures["chunks"]) == (3, 3)
    assert found.figures["bytes"] > 0
    assert found.figures["peak"] > 1_000_000


def test_the_book_is_judged_by_quotes(bench: Bench) -> None:
    found = measure(bench, Step(TINY, "quality:book", 1), limit=30)
    assert (found.failure, found.questions["hit@5"]) == ("", {"b1": 1.0})
    assert found.figures["characters of 5 hits"] > 50


def test_questions_are_asked_of_the_stored_index_in_a_fresh_process(bench: Bench) -> None:
    step = Step(TINY, "questions", 1)
    assert "is not there" in measure(bench, step, limit=30).failure
    assert measure(bench, Step(TINY, "quality:mtrag-fiqa", 1), limit=30).failure == ""
    found = measure(bench, step, limit=30)
    assert found.failure == ""
    assert found.figures["cold"] > found.figures["p50"] > 0


def test_a_system_without_a_way_has_no_figure_and_a_noticed_change_has_one(bench: Bench) -> None:
    found = measure(bench, Step(TINY, "changes", 1), limit=30)
    assert found.failure == ""
    assert found.figures.keys() == {"changed", "deleted"}
    assert found.notes["again"] == "it documents no way to index a folder again"


@pytest.mark.parametrize("told", ["blind"], indirect=True)
def test_a_change_that_the_index_does_not_show_is_a_failure(told: Bench) -> None:
    assert "does not show it" in measure(told, Step(TINY, "changes", 1), limit=30).failure


@pytest.mark.parametrize(
    ("told", "reason"),
    [("fails", "ValueError: the tiny system was told to fail"), ("dies", "ended with 7")],
    indirect=["told"],
)
def test_failures_are_results_with_their_reason(told: Bench, reason: str) -> None:
    found = measure(told, Step(TINY, "book", 1), limit=30)
    assert reason in found.failure
    assert not found.figures


@pytest.mark.parametrize("told", ["hangs"], indirect=True)
def test_a_system_that_says_nothing_is_ended_at_its_time_limit(told: Bench) -> None:
    with told.start(TINY) as child, pytest.raises(Failed, match="no answer to 'load' within its time limit"):
        child.ask("load", limit=0.2)
    assert child._process.returncode is not None


def test_a_child_keeps_answers_apart_from_what_libraries_print(bench: Bench) -> None:
    with bench.start(TINY) as child:
        child.ask("load")
        with pytest.raises(NoWay):
            child.ask("again", folder=Path())
        with pytest.raises(Failed, match="AttributeError"):
            child.ask("chunks")
    assert b"chatty library" in (bench.work / "logs" / "tiny.log").read_bytes()


def test_what_cannot_be_installed_says_why_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(system: System, folder: Path) -> Environment:
        raise NotInstalled("no matching distribution")

    monkeypatch.setattr("benchmarks.peers.measuring.prepared", refuse)
    other = replace(TINY, name="other")
    assert measure(bench, Step(other, "install", 1), limit=1).failure == "no matching distribution"
    assert measure(bench, Step(other, "book", 1), limit=1).failure == "it could not be installed"


def test_an_environment_is_built_once_and_again_when_its_pins_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text("tiny==1\n")
    monkeypatch.setattr(System, "requirements", property(lambda _: pins))
    built: list[Path] = []

    def build(system: System, place: Path) -> Environment:
        built.append(place)
        place.mkdir(parents=True)
        return Environment(place, 2.0, 10, "today", {"tiny": "1"})

    monkeypatch.setattr(environments, "_build", build)
    first = environments.prepared(TINY, tmp_path)
    assert environments.prepared(TINY, tmp_path) == first
    assert len(built) == 1
    pins.write_text("tiny==2\n")
    environments.prepared(TINY, tmp_path)
    assert len(built) == 2


def test_a_step_of_building_that_fails_gives_the_line_that_tells(tmp_path: Path) -> None:
    code = "import sys; print('ERROR: no such thing', file=sys.stderr); print('afterwards'); sys.exit(3)"
    with pytest.raises(NotInstalled, match="ended with 3: ERROR: no such thing"):
        environments._run([sys.executable, "-c", code], tmp_path / "place")


def test_a_cut_collection_keeps_every_judged_passage(data: Path, tmp_path: Path) -> None:
    whole = corpora.collection(data, "cranfield", tmp_path)
    cut = corpora.collection(data, "cranfield", tmp_path, passages=2)
    again = corpora.collection(data, "cranfield", tmp_path, passages=2)
    assert (whole.passages, cut.passages, cut.all_passages) == (3, 2, 3)
    names = [json.loads(row)["_id"] for row in cut.corpus.read_text().splitlines()]
    assert sorted(names) == ["wheel", "wing"]
    assert again.corpus.read_text() == cut.corpus.read_text()


@pytest.mark.parametrize(
    ("name", "text", "holds"),
    [
        ("a.qmd", "before  the quick\nbrown fox jumps over it after", True),
        ("deep/a.qmd", "the quick brown fox jumps", True),
        ("a.qmd", "brown fox jumps over it", True),
        ("a.qmd", "the quick br", False),
        ("b.qmd", "the quick brown fox jumps over it", False),
        ("aa.qmd", "the quick brown fox jumps over it", False),
        ("a.qmd", "", False),
    ],
)
def test_a_chunk_holds_a_quote_if_it_shares_half_of_it(name: str, text: str, holds: bool) -> None:
    assert corpora.holds((name, text), [Gold("a.qmd", "the quick brown fox jumps over it")]) is holds


def test_documents_stand_where_their_best_chunk_does() -> None:
    found = [("a", ""), ("b", ""), ("a", ""), ("c", ""), ("d", "")]
    assert corpora.ranked(found, 3) == ["a", "b", "c"]


def test_systems_take_turns_in_every_round() -> None:
    planned = [(step.what, step.run, step.system.name) for step in steps(SYSTEMS[:2], runs=2)]
    book = [(run, name) for what, run, name in planned if what == "book"]
    assert book == [(1, "openbook"), (1, SYSTEMS[1].name), (2, "openbook"), (2, SYSTEMS[1].name)]
    assert planned[0] == ("install", 1, "openbook")
    assert ("changes", 1, "faiss") not in {(s.what, s.run, s.system.name) for s in steps(SYSTEMS, runs=1)}
    only = {what for what, *_ in ((s.what, s.run) for s in steps(SYSTEMS[:1], runs=3, only=["quality"]))}
    assert only == {"quality:book", *(f"quality:{name}" for name in corpora.COLLECTIONS)}


def test_every_system_has_its_adapter_and_its_pins() -> None:
    for system in SYSTEMS:
        assert (environments.ROOT / "benchmarks/peers/adapters" / f"{system.adapter}.py").is_file()
        if system.name != "openbook":
            lines = system.requirements.read_text(encoding="utf-8").split()
            assert lines
            assert all("==" in line for line in lines), lines
    with pytest.raises(SystemExit, match="expected one of openbook"):
        named(["nobody"])


def test_results_go_on_where_they_stopped(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results = Results(path, {"date": "today"})
    results.keep(Measurement("tiny", "book", 1, figures={"index seconds": 3.0}))
    results.keep(Measurement("tiny", "book", 2, failure="it fell over"))
    results.keep(Measurement("tiny", "book", 3, figures={"index seconds": 5.0}))
    again = Results(path)
    assert again.description == {"date": "today"}
    assert [m.run for m in again.runs("tiny", "book")] == [1, 3]
    assert median(again, "tiny", "book", "index seconds") == 4.0
    again.forget_failures()
    assert again.get("tiny", "book", 2) is None


def test_a_run_stops_when_its_time_is_up_and_skips_what_is_there(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "named", lambda _names: [TINY])
    monkeypatch.setattr(command, "Bench", lambda *_places, **_options: bench)
    monkeypatch.setattr(Bench, "tokens", lambda _bench: {"book": 30})
    path = tmp_path / "results.json"
    words = [
        "run",
        "--runs",
        "1",
        "--results",
        str(path),
        "--work",
        str(bench.work),
        "--only",
        "book",
        "install",
    ]
    assert command.main([*words, "--minutes", "0"]) == 3
    assert "2 measurements are left" in capsys.readouterr().err
    assert command.main(words) == 0
    assert command.main(words) == 0
    assert "0 of 2 measurements to make" in capsys.readouterr().err


def test_two_runs_do_not_share_a_folder(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    with (work / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert command.main(["run", "--work", str(work), "--data", str(data)]) == 2
    assert "Another run works in" in capsys.readouterr().err


def described(path: Path) -> Results:
    """Results of openbook and of two others, one of which failed."""
    about = {"date": "2026-01-02", "tokens": {"book": 1000}, "machine": {"cores": "2"}, "passages": {}}
    results = Results(path, about)
    for name, scores in (("openbook", [1.0, 0.5, 0.75, 1.0]), ("bm25s", [0.5, 0.5, 0.25, 0.0])):
        values = {f"c{n // 2}<::>{n}": score for n, score in enumerate(scores)}
        results.keep(
            Measurement(name, "quality:cranfield", 1, questions={"ndcg@10": values, "recall@100": values})
        )
        for run, seconds in ((1, 2.0), (2, 8.0), (3, 4.0)):
            results.keep(Measurement(name, "book", run, figures={"index seconds": seconds, "peak": 2e8}))
    results.keep(Measurement("raglite", "install", 1, failure="no wheel | anywhere"))
    return results


def test_the_page_has_intervals_differences_medians_and_failures(tmp_path: Path) -> None:
    text = report_text(described(tmp_path / "results.json"))
    assert "| **openbook** | 0.812 [" in text
    assert "| *bm25s (words alone)* | +0.500 [" in text
    assert "| **openbook** | – | 4 s | 250 |" in text
    assert "- RAGLite, install: no wheel | anywhere" in text
    assert conversations(["c1<::>2", "plain"]) == ["c1", "plain"]
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)


def test_what_stands_in_short_compares_with_the_best_other_that_works(tmp_path: Path) -> None:
    results = described(tmp_path / "results.json")
    hits = {"hit@5": 0.5}
    for name, seconds, size in (("langchain-chroma", 6.0, 300), ("txtai", 12.0, 150), ("raglite", 1.0, 10)):
        results.keep(Measurement(name, "changes", 1, figures={"changed": seconds, "again": seconds}))
        if name != "raglite":
            results.keep(Measurement(name, "book", 1, figures={"index seconds": seconds}))
            results.keep(Measurement(name, "install", 1, figures={"bytes": size * 1e6}))
            results.keep(Measurement(name, "quality:book", 1, figures=hits, questions={"hit@5": {"a": 0.5}}))
    results.keep(Measurement("bm25s", "changes", 1, figures={"changed": 0.001}))
    results.keep(Measurement("openbook", "changes", 1, figures={"changed": 0.5, "again": 0.3}))
    results.keep(Measurement("openbook", "install", 1, figures={"bytes": 100e6}))
    ours = {"hit@5": {"a": 0.5}}
    results.keep(Measurement("openbook", "quality:book", 1, figures=hits, questions=ours))
    text = report_text(results)
    assert "| book, hit@5 | 0.500 | 0.500 | txtai hybrid | +0.000 | higher | no |" in text
    assert "| indexing the book | 4 s | 6 s | LangChain + Chroma | 1.5× faster | 1.8× | no |" in text
    assert "| installation | 100 MB | 150 MB | txtai hybrid | 1.5× smaller | 2× | no |" in text
    assert "| the same folder again | 0.3 s | 6 s | LangChain + Chroma | 20.0× faster | 20× | yes |" in text
    assert "| one chapter changed | 0.5 s | 6 s | LangChain + Chroma | 12.0× faster | 20× | no |" in text


def test_plots_name_every_system_and_have_no_background(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is installed by `make bench-peers`")
    from benchmarks.peers.report import write_report

    written = write_report(described(tmp_path / "results.json"), tmp_path / "benchmarks.md")
    svg = (tmp_path / "benchmarks" / "quality.svg").read_text(encoding="utf-8")
    assert "openbook" in svg
    assert "prefers-color-scheme: dark" in svg
    assert "#ffffff" not in svg
    assert len(written) == 5

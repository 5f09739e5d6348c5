"""Making one measurement of one system: start its process, ask it, judge what it says."""

from __future__ import annotations

import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.peers import corpora
from benchmarks.peers.child import Child, Failed, NoWay
from benchmarks.peers.environments import Environment, NotInstalled, prepared, size
from benchmarks.peers.plan import Step
from benchmarks.peers.results import Measurement, now
from benchmarks.peers.systems import System
from openbook.backends.model_store import find_model
from openbook.errors import ModelNotInstalled
from openbook.lab.labelled_sets import BeirSet
from openbook.lab.measures import percentile

DEEP: Final = 100
"""Documents that a search for quality asks for."""
CHUNKS_FOR_DEEP: Final = 300
"""Chunks that are fetched for them, as several may lie in one document."""
PAGE: Final = 10
"""Chunks that a timed search asks for."""
HITS: Final = 5
"""Chunks among which a question on the book must find its quote."""
ASKED: Final = 50
"""Questions of a timed run."""
ASKED_OF_BOOK: Final = 20
OPENBOOK: Final = "openbook"

Launch = Callable[[System, Environment, Mapping[str, str], Path], Child]


@dataclass(slots=True)
class Bench:
    """Where everything lies, and what was prepared so far."""

    data: Path
    environments: Path
    work: Path
    passages: Mapping[str, int] = field(default_factory=dict)
    launch: Launch | None = None
    _ready: dict[str, Environment] = field(default_factory=dict)
    _collections: dict[str, corpora.Collection] = field(default_factory=dict)

    def environment(self, system: System) -> Environment:
        """The system's environment. Raises NotInstalled."""
        if system.name not in self._ready:
            self._ready[system.name] = prepared(system, self.environments)
        return self._ready[system.name]

    def collection(self, name: str) -> corpora.Collection:
        """A collection, cut as it was asked for."""
        if name not in self._collections:
            cut = self.passages.get(name, 0)
            self._collections[name] = corpora.collection(self.data, name, self.work, passages=cut)
        return self._collections[name]

    def tokens(self) -> dict[str, int]:
        """Tokens of the book and of each collection as it was cut, counted once for all systems."""
        folder = find_model("all-MiniLM-L6-v2")
        if folder is None:
            raise ModelNotInstalled("Counting tokens needs the model: openbook model install")
        places = {corpora.BOOK: corpora.book(self.data)[0]}
        places |= {name: self.collection(name).corpus for name in corpora.COLLECTIONS}
        return {n: corpora.count_tokens(place, folder / "tokenizer.json") for n, place in places.items()}

    def start(self, system: System, *, share: bool = False) -> Child:
        """The system's process. With `share` it takes over vectors that others computed."""
        environment = self.environment(system)
        log = self.work / "logs" / f"{system.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        variables = {"PEERS_MODEL": str(environment.model)} if system.torch else {}
        if not system.torch:
            cache = self.environments / OPENBOOK / "cache"
            variables = {
                "OPENBOOK_CACHE": str(cache),
                "OPENBOOK_SETTINGS": str(self.work / "no-settings.toml"),
                "PEERS_ONNX": str(next(cache.glob("models/*"), cache)),
            }
        if share:
            variables["PEERS_VECTORS"] = str(self.work / "vectors.sqlite")
        if self.launch is not None:
            return self.launch(system, environment, variables, log)
        module = f"benchmarks.peers.adapters.{system.adapter}"
        return Child([str(environment.python), "-m", module], variables, log=log)

    def store(self, system: System, name: str, *, empty: bool = False) -> Path:
        """The system's folder for one corpus."""
        folder = self.work / "stores" / system.name / name
        if empty:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        return folder


def measure(bench: Bench, step: Step, *, limit: float) -> Measurement:
    """Make one measurement; one that fails holds the reason. `limit` is in seconds for each request."""
    started = time.perf_counter()
    kind, _, name = step.what.partition(":")
    found = Measurement(step.system.name, step.what, step.run, now())
    try:
        match kind:
            case "install":
                made = _install(bench, step.system)
            case "imports":
                made = _imports(bench, step.system)
            case "quality":
                made = (
                    _book_quality(bench, step.system, limit)
                    if name == corpora.BOOK
                    else (_quality(bench, step.system, name, limit))
                )
            case "book":
                made = _book(bench, step.system, limit)
            case "questions":
                made = _questions(bench, step.system, step.run, limit)
            case _:
                made = _changes(bench, step.system, limit)
        found = replace(found, **made)
    except NotInstalled as error:
        found = replace(found, failure=str(error) if kind == "install" else "it could not be installed")
    except (Failed, NoWay) as error:
        found = replace(found, failure=str(error))
    return replace(found, took=round(time.perf_counter() - started, 2))


def _install(bench: Bench, system: System) -> dict[str, Any]:
    environment = bench.environment(system)
    figures = {"seconds": round(environment.seconds, 1), "bytes": environment.bytes}
    return {"figures": figures, "versions": environment.versions, "notes": {"built": environment.built}}


def _imports(bench: Bench, system: System) -> dict[str, Any]:
    """Wall time of a fresh Python that imports what the recipe imports, and of one that imports nothing."""
    python = str(bench.environment(system).python)
    times = []
    for code in ("pass", "; ".join(f"import {name}" for name in system.imports)):
        begun = time.perf_counter()
        done = subprocess.run(
            [python, "-c", code], cwd=bench.work, capture_output=True, text=True, check=False, timeout=300
        )
        times.append(time.perf_counter() - begun)
        if done.returncode:
            raise Failed((done.stderr.strip().splitlines() or ["it ended without a word"])[-1][:300])
    return {"figures": {"seconds": times[1], "python alone": times[0]}}


def _quality(bench: Bench, system: System, name: str, limit: float) -> dict[str, Any]:
    """Index a collection and rank 100 documents for every question."""
    collection, store = bench.collection(name), bench.store(system, name, empty=True)
    runs: dict[str, list[str]] = {}
    with bench.start(system, share=True) as child:
        child.ask("load")
        seconds, _ = child.ask("index", corpus=collection.corpus, store=store, limit=limit)
        chunks = child.ask("chunks")[1]
        # openbook can be asked for documents; of the others more chunks are fetched than documents wanted.
        k = DEEP if system.name == OPENBOOK else CHUNKS_FOR_DEEP
        for question, text in collection.labelled.queries.items():
            runs[question] = corpora.ranked(child.ask("search", question=text, k=k)[1], DEEP)
        figures = {"index seconds": seconds, "chunks": chunks, "peak": child.peak, "bytes": size(store)}
    values = ranking_values(collection.labelled, runs)
    figures |= {f: statistics.fmean(v.values()) for f, v in values.items()}
    figures |= {"passages": collection.passages, "all passages": collection.all_passages}
    return {"figures": figures, "questions": values}


def ranking_values(labelled: BeirSet, runs: Mapping[str, list[str]]) -> dict[str, dict[str, float]]:
    """nDCG@10 and recall@100 of every question, by ir-measures."""
    import ir_measures
    from ir_measures import R, nDCG

    measures = {"ndcg@10": nDCG @ 10, "recall@100": R @ 100}
    qrels = [
        ir_measures.Qrel(question, document, grade)
        for question in labelled.queries
        for document, grade in labelled.grades[question].items()
    ]
    run = [
        ir_measures.ScoredDoc(question, document, float(-rank))
        for question, documents in runs.items()
        for rank, document in enumerate(documents)
    ]
    names = {str(measure): name for name, measure in measures.items()}
    # A question without a run, or without relevant documents in it, counts as 0.
    values = {name: dict.fromkeys(labelled.queries, 0.0) for name in measures}
    for value in ir_measures.iter_calc(list(measures.values()), qrels, run):
        values[names[str(value.measure)]][value.query_id] = round(float(value.value), 6)
    return values


def _book_quality(bench: Bench, system: System, limit: float) -> dict[str, Any]:
    """Which questions on the book find their quote among five chunks, and how much text those are."""
    folder, questions = corpora.book(bench.data)
    hits: dict[str, float] = {}
    characters: list[int] = []
    with bench.start(system, share=True) as child:
        child.ask("load")
        child.ask("index", corpus=folder, store=bench.store(system, "book", empty=True), limit=limit)
        chunks = child.ask("chunks")[1]
        for question in questions:
            found = child.ask("search", question=question.text, k=HITS, texts=True)[1][:HITS]
            characters.append(sum(len(text) for _, text in found))
            hits[question.id] = float(any(corpora.holds(hit, question.needs[0]) for hit in found))
    figures = {"hit@5": statistics.fmean(hits.values()), "chunks": chunks}
    figures["characters of 5 hits"] = statistics.fmean(characters)
    return {"figures": figures, "questions": {"hit@5": hits}}


def _book(bench: Bench, system: System, limit: float) -> dict[str, Any]:
    """Index the book with nothing shared, in a fresh process; then ask a few questions."""
    folder, questions = corpora.book(bench.data)
    store = bench.store(system, "book-timed", empty=True)
    with bench.start(system) as child:
        loading, _ = child.ask("load")
        seconds, _ = child.ask("index", corpus=folder, store=store, limit=limit)
        figures = {"load seconds": loading, "index seconds": seconds, "chunks": child.ask("chunks")[1]}
        child.ask("search", question=questions[-1].text, k=PAGE)  # the first one is not like the others
        times = [child.ask("search", question=q.text, k=PAGE)[0] for q in questions[:ASKED_OF_BOOK]]
        figures |= {"p50": percentile(times, 0.5), "peak": child.peak}
    return {"figures": figures | {"bytes": size(store)}}


def _questions(bench: Bench, system: System, run: int, limit: float) -> dict[str, Any]:
    """Questions to the stored index of the largest collection, in a fresh process.

    Cold is the time from the start of the process to the answer: imports, model and index included.
    """
    name = "mtrag-fiqa"
    store = bench.store(system, name)
    if not store.is_dir():
        raise Failed(f"the index of {name} is not there")
    texts = list(bench.collection(name).labelled.queries.values())
    chosen = random.Random(run).sample(texts, min(ASKED + 1, len(texts)))
    with bench.start(system) as child:
        child.ask("load")
        opening, _ = child.ask("open", store=store, limit=limit)
        first, _ = child.ask("search", question=chosen[0], k=PAGE)
        figures = {"cold": time.perf_counter() - child.started, "open": opening, "first": first}
        times = [child.ask("search", question=text, k=PAGE)[0] for text in chosen[1:]]
        figures |= {"p50": percentile(times, 0.5), "p95": percentile(times, 0.95), "peak": child.peak}
        figures["chunks"] = child.ask("chunks")[1]
    return {"figures": figures}


def _changes(bench: Bench, system: System, limit: float) -> dict[str, Any]:
    """The same folder again, one file changed, one file gone; and whether the system noticed.

    Where a system documents no way, there is no figure; the report puts the cost of indexing everything.
    """
    folder, file = corpora.copy_of_book(bench.data, bench.work)
    figures: dict[str, float] = {}
    notes: dict[str, str] = {}

    def noticed() -> bool:
        found = child.ask("search", question=corpora.MARKER_QUESTION, k=HITS, texts=True)[1]
        return any("Quillhaven" in text for _, text in found)

    with bench.start(system, share=True) as child:
        child.ask("load")
        child.ask("index", corpus=folder, store=bench.store(system, "changing", empty=True), limit=limit)
        child.ask("begin_following", folder=folder, limit=limit)
        for verb, more in (("again", {}), ("changed", {"file": file}), ("deleted", {"file": file})):
            if verb == "changed":
                corpora.add_marker(folder / file)
            elif verb == "deleted":
                (folder / file).unlink()
            try:
                figures[verb], notes[verb] = child.ask(verb, folder=folder, limit=limit, **more)
            except NoWay as error:
                notes[verb] = str(error)
                continue
            if verb != "again" and noticed() != (verb == "changed"):
                raise Failed(f"after one file was {verb}, the index does not show it")
    return {"figures": figures, "notes": notes}

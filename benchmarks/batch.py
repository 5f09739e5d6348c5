"""A thousand questions against a limited, failing server, killed midway: each answered once, none twice.

    python -m benchmarks.batch                       1,000 questions, 600 requests a minute, 5 % failures
    python -m benchmarks.batch --kill-at 0.7         killed after it had to wait for its limit

The real command runs (`openbook ask --batch`), over a real library and the real
HTTP client, against a scripted server on loopback that answers 429 to what goes
over its limit, and 429 or 500 to a random share of the rest. Midway the
command is killed (SIGKILL) and then run again. The server counts requests by
itself: the most in any minute, those that failed included, and those that went
over the limit. Prints a row a figure; the exit code is 1 if one is not met.

The time says how much the limit leaves unused: the first minute's worth of
requests leaves at once, the rest in the minutes after it, and the second run
waits until the minute of the first one is over.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openbook.library import Library
from openbook.settings import Settings
from tests.model_server.server import Fail, ModelServer

EMBEDDER = "hash:64"
TOWERS = 50
"""Documents of the library; questions go round them."""


@dataclass(frozen=True, slots=True)
class Row:
    """A measured figure, what it has to be, and whether it is."""

    what: str
    expected: str
    measured: str
    met: bool

    def __str__(self) -> str:
        return f"| {self.what} | {self.expected} | {self.measured} | {'met' if self.met else '**missed**'} |"


@dataclass(frozen=True, slots=True)
class Batch:
    """The files of one measurement, and the server."""

    folder: Path
    server: ModelServer
    questions: int
    limit: int
    kill_at: float

    @property
    def out(self) -> Path:
        """The file of answers."""
        return self.folder / "answers.jsonl"

    def prepare(self) -> None:
        """Write the documents, the library and the questions."""
        documents = self.folder / "documents"
        documents.mkdir()
        for number in range(TOWERS):
            text = f"# Tower {number}\n\nThe tower number {number} of the wall is {number + 7} metres high.\n"
            (documents / f"tower-{number}.md").write_text(text, encoding="utf-8")
        with Library(self.folder / "library", settings=Settings(embedder=EMBEDDER)) as library:
            library.add(documents)
        lines = [
            {"id": f"q{n}", "question": f"How high is the tower number {n % TOWERS} of the wall?"}
            for n in range(self.questions)
        ]
        content = "".join(json.dumps(line) + "\n" for line in lines)
        (self.folder / "questions.jsonl").write_text(content, encoding="utf-8")

    def start(self) -> subprocess.Popen[str]:
        """Start the command as a user would."""
        changes = {
            "SETTINGS": str(self.folder / "none.toml"),
            "EMBEDDER": EMBEDDER,
            "MODEL": "openai:test-model",
            "BASE_URL": self.server.base_url,
            "REQUESTS_PER_MINUTE": str(self.limit),
            "PARALLEL": "8",
        }
        environment = {f"OPENBOOK_{name}": value for name, value in changes.items()}
        command = [sys.executable, "-m", "openbook", "ask"]
        command += ["--batch", str(self.folder / "questions.jsonl"), "--out", str(self.out)]
        command += ["--library", str(self.folder / "library"), "--json"]
        return subprocess.Popen(
            command,
            env={**os.environ, **environment, "OPENAI_API_KEY": "none"},
            stdout=subprocess.PIPE,
            text=True,
        )

    def written(self) -> int:
        """Whole lines in the file of answers."""
        return self.out.read_bytes().count(b"\n") if self.out.exists() else 0


def measure(batch: Batch) -> list[Row]:
    """Run the command, kill it midway, run it again, and compare what came of it with what the server saw."""
    started = time.monotonic()
    first = batch.start()
    while batch.written() < batch.questions * batch.kill_at and first.poll() is None:
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    before, killed = batch.written(), time.monotonic() - started
    second = batch.start()
    report = json.loads(second.communicate()[0])
    seconds = time.monotonic() - started
    lines = [json.loads(line) for line in batch.out.read_text(encoding="utf-8").splitlines()]
    times = Counter(line["id"] for line in lines)
    by_model = sum(line["generator"] == "openai:test-model" for line in lines)
    moments = [seen.at for seen in batch.server.requests]
    over, requests, most = batch.server.violations, len(moments), busiest_minute(moments)
    limit, many = batch.limit, f"{batch.questions:,}"
    return [
        Row("answers when killed (-9)", f"less than {many}", f"{before:,}", 0 < before < batch.questions),
        Row("questions answered", many, f"{len(times):,}", len(times) == batch.questions),
        Row("of them written by the model", many, f"{by_model:,}", by_model == batch.questions),
        Row("answered twice", "0", f"{len(lines) - len(times):,}", len(lines) == len(times)),
        Row("failed in the end", "0", f"{len(report['failures']):,}", not report["failures"]),
        Row("exit code of the second run", "0", str(second.returncode), second.returncode == 0),
        Row(
            "most requests in any 60 s, as the server counts",
            f"at most {limit:,}",
            f"{most:,}",
            most <= limit,
        ),
        Row("requests over the limit", "0", f"{over:,}", over == 0),
        Row("requests altogether", f"at least {many}", f"{requests:,}", requests >= batch.questions),
        Row("time", "reported", f"{seconds:.0f} s ({killed:.0f} s until the kill)", True),
    ]


def busiest_minute(moments: Sequence[float]) -> int:
    """The most requests in any window of sixty seconds."""
    moments = sorted(moments)
    most = begin = 0
    for end, moment in enumerate(moments):
        while moments[begin] <= moment - 60:
            begin += 1
        most = max(most, end - begin + 1)
    return most


def main() -> int:
    """Measure, print a row for each figure, and say whether all were met."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--requests-per-minute", type=int, default=600)
    parser.add_argument("--failing", type=float, default=0.05, help="share of requests that fail at random")
    parser.add_argument("--kill-at", type=float, default=0.5, help="share of answers when it is killed")
    chosen = parser.parse_args()
    failures = [Fail(429), Fail(429, retry_after=1), Fail(500)]
    server = ModelServer(
        ["The tower is as high as the wall [1]."],
        failure_share=chosen.failing,
        failures=failures,
        seed=7,
        requests_per_minute=chosen.requests_per_minute,
    )
    with tempfile.TemporaryDirectory() as folder, server:
        batch = Batch(
            Path(folder), server, chosen.questions, chosen.requests_per_minute, kill_at=chosen.kill_at
        )
        batch.prepare()
        rows = measure(batch)
    print("| what | expected | measured | |\n| --- | --- | --- | --- |")
    for row in rows:
        print(row)
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

"""A server under load: many clients search a library of 100,000 chunks while files are added to it.

    python -m benchmarks.serve_load                        builds a library, then 50 clients for 60 s
    python -m benchmarks.serve_load --library FOLDER       works on a copy of one that is built already
    python -m benchmarks.serve_load --ask                  one question in twenty wants an answer
    python -m benchmarks.serve_load --json

The server is a process of its own, started as `openbook serve` starts it, but
without a limit to requests. Each client sends its next question when it has
read the last answer, so that times are those at full load. Files are uploaded
a few at a time, the next ones when the job of the last has ended. Memory is
the server's own (VmRSS); jobs run in processes of their own. Every request has
a time limit, and nothing runs longer than it was told to.

Clients, server and jobs share the machine: on two cores the clients alone take
about a quarter of what there is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from benchmarks.bench_index import STOP_WORDS, SyntheticLedger
from benchmarks.synthetic_library import build

CHUNKS = 100_000
QUESTIONS = 2_000
FILES_AT_ONCE = 3
WORDS_OF_FILE = 400
START_SECONDS = 60.0
REQUEST_SECONDS = 30.0
SAMPLE_SECONDS = 10.0
ONE_ANSWER_IN = 20
MOST_CLIENTS = 500
MOST_SECONDS = 600.0


@dataclass(slots=True)
class Seen:
    """What the clients saw. Times are milliseconds, memory is (seconds since the start, megabytes).

    `cpu_seconds` is what the server took of the processors, its jobs not counted.
    """

    searches: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, float]] = field(default_factory=list)
    cpu_seconds: float = 0.0
    files: int = 0
    jobs: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Load:
    """A server's figures under load. Times are milliseconds, memory megabytes.

    `cpu_ms` is the server's own processor time for each request, which
    depends on other programs on the machine less than the rest.
    """

    clients: int
    seconds: float
    requests: int
    errors: dict[str, int]
    per_second: float
    cpu_ms: float
    search_ms: dict[str, float]
    answer_ms: dict[str, float]
    memory_mb: list[tuple[float, float]]
    files_added: int
    jobs: dict[str, int]
    ready_s: float

    def text(self) -> str:
        """The figures for people."""
        grown = self.memory_mb[-1][1] - self.memory_mb[0][1]
        lines = [
            f"{self.clients} clients for {self.seconds:.0f} s; ready after {self.ready_s:.2f} s",
            f"requests   {self.requests:,}, {self.per_second:.1f} a second",
            f"processor  {self.cpu_ms:.1f} ms of the server for each request",
            f"errors     {sum(self.errors.values())} {self.errors or ''}",
            f"searches   {_times(self.search_ms)}",
            f"answers    {_times(self.answer_ms)}",
            f"added      {self.files_added} files in {sum(self.jobs.values())} jobs {self.jobs or ''}",
            "memory     " + ", ".join(f"{at:.0f} s: {size:.0f}" for at, size in self.memory_mb) + " MB",
            f"           {grown:+.0f} MB from first to last",
        ]
        return "\n".join(lines)


def _times(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f} ms" for name, value in values.items()) or "none"


# -- the server ----------------------------------------------------------------


def serve(folder: Path, *, web: bool) -> None:
    """Serve a library until a signal says to stop, and print the address once requests are answered."""
    from openbook.library import Library
    from openbook.serve import logs, server
    from openbook.serve.application import create_app
    from openbook.serve.desk import Shelf
    from openbook.serve.options import ServeOptions

    options = ServeOptions(port=0, web=web, requests_per_minute=10**9)
    logs.configure(options.log_form)
    listener = server.listening_socket(options.host, options.port)
    with listener:
        shelf = Shelf.open([Library(folder)], options)
        address = server.address_of(listener)
        app = create_app(shelf, options)
        server.serve(app, listener, options, started=lambda: print(address, flush=True))


@contextmanager
def serving(folder: Path, *, web: bool) -> Iterator[tuple[int, str, float]]:
    """A server process: its id, its address, and the seconds until it was ready."""
    command = [sys.executable, "-m", "benchmarks.serve_load", "--library", str(folder), "--as-server"]
    started = time.perf_counter()
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            [*command, *([] if web else ["--no-web"])],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            if process.stdout is None or not (address := process.stdout.readline().strip()):
                raise SystemExit("The server did not start.")
            _wait_until_ready(address)
            yield process.pid, address, time.perf_counter() - started
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(REQUEST_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_ready(address: str) -> None:
    until = time.monotonic() + START_SECONDS
    while httpx2.get(f"{address}/api/ready", timeout=REQUEST_SECONDS).status_code != 200:
        if time.monotonic() > until:
            raise SystemExit(f"The server was not ready within {START_SECONDS:.0f} s.")
        time.sleep(0.05)


def resident(pid: int) -> float:
    """Megabytes of a process that are in memory."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def processor_seconds(pid: int) -> float:
    """Seconds that a process has used of the processors, its children not counted."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# -- the clients ---------------------------------------------------------------


def questions() -> list[str]:
    """Questions like those of `bench_index`, but so many that hardly any is asked twice in a while."""
    words = SyntheticLedger(CHUNKS).vocabulary
    random = np.random.default_rng(17)
    low, high = np.log(len(STOP_WORDS.split())), np.log(50_000)
    ranks = np.exp(random.uniform(low, high, (QUESTIONS, 5))).astype(int)
    return ["how do I " + " ".join(row) for row in words[ranks].tolist()]


async def search(client: httpx2.AsyncClient, wanted: Sequence[str], seen: Seen, until: float) -> None:
    """Ask one question after the other until the time is over."""
    for number in range(10**9):
        if time.monotonic() >= until:
            return
        question = wanted[number % len(wanted)]
        started = time.perf_counter()
        try:
            reply = await client.post("/api/search", json={"question": question})
        except httpx2.HTTPError as error:
            seen.errors[type(error).__name__] += 1
            continue
        if reply.status_code == 200 and reply.json()["hits"]:
            seen.searches.append((time.perf_counter() - started) * 1000)
        else:
            seen.errors[f"status {reply.status_code}"] += 1


async def ask(client: httpx2.AsyncClient, wanted: Sequence[str], seen: Seen, until: float) -> None:
    """The same with answers, in the OpenAI-compatible form."""
    model = (await client.get("/v1/models")).json()["data"][0]["id"]
    for number in range(10**9):
        if time.monotonic() >= until:
            return
        messages = [{"role": "user", "content": wanted[number % len(wanted)]}]
        started = time.perf_counter()
        try:
            reply = await client.post("/v1/chat/completions", json={"model": model, "messages": messages})
        except httpx2.HTTPError as error:
            seen.errors[type(error).__name__] += 1
            continue
        if reply.status_code == 200:
            seen.answers.append((time.perf_counter() - started) * 1000)
        else:
            seen.errors[f"status {reply.status_code}"] += 1


async def add_files(client: httpx2.AsyncClient, seen: Seen, until: float) -> None:
    """Upload a few new files, wait for their job, and again."""
    words = SyntheticLedger(CHUNKS).vocabulary[:20_000]
    random = np.random.default_rng(19)
    while time.monotonic() < until:
        files = []
        for _ in range(FILES_AT_ONCE):
            text = " ".join(words[random.integers(0, len(words), WORDS_OF_FILE)].tolist())
            seen.files += 1
            files.append(("files", (f"added{seen.files}.md", f"# File {seen.files}\n\n{text}\n".encode())))
        try:
            reply = await client.post("/api/documents/upload", files=files)
            state = await _end_of_job(client, reply.json()["id"], until)
        except httpx2.HTTPError as error:
            seen.errors[f"upload {type(error).__name__}"] += 1
            continue
        seen.jobs[state] += 1
        if state == "failed":
            seen.errors["job failed"] += 1


async def _end_of_job(client: httpx2.AsyncClient, job: str, until: float) -> str:
    while True:
        state: str = (await client.get(f"/api/jobs/{job}")).json()["state"]
        if state in ("done", "failed", "cancelled"):
            return state
        if time.monotonic() >= until:
            return "unfinished"
        await asyncio.sleep(0.25)


async def watch(pid: int, seen: Seen, started: float, until: float) -> None:
    """Note the server's memory now and then, and what it took of the processors at the end."""
    begun = processor_seconds(pid)
    while time.monotonic() < until:
        seen.memory.append((round(time.monotonic() - started, 1), round(resident(pid), 1)))
        await asyncio.sleep(min(SAMPLE_SECONDS, max(until - time.monotonic(), 0.0)))
    seen.memory.append((round(time.monotonic() - started, 1), round(resident(pid), 1)))
    seen.cpu_seconds = processor_seconds(pid) - begun


async def run(
    pid: int, address: str, *, clients: int, seconds: float, with_answers: bool, adding: bool
) -> Seen:
    """All clients at once, for so many seconds."""
    seen, wanted = Seen(), questions()
    limits = httpx2.Limits(max_connections=clients + 2, max_keepalive_connections=clients + 2)
    async with httpx2.AsyncClient(base_url=address, timeout=REQUEST_SECONDS, limits=limits) as client:
        started = time.monotonic()
        until = started + seconds
        step = max(len(wanted) // clients, 1)
        tasks = [watch(pid, seen, started, until)]
        for number in range(clients):
            own = wanted[number * step :] + wanted[: number * step]
            answers = with_answers and number % ONE_ANSWER_IN == 0
            tasks.append((ask if answers else search)(client, own, seen, until))
        if adding:
            tasks.append(add_files(client, seen, until))
        await asyncio.gather(*tasks)
    return seen


# -- the figures -----------------------------------------------------------------


def figures(seen: Seen, *, clients: int, seconds: float, ready: float) -> Load:
    """What was seen, in numbers."""
    requests = len(seen.searches) + len(seen.answers)
    return Load(
        clients=clients,
        seconds=seconds,
        requests=requests,
        errors=dict(seen.errors),
        per_second=round(requests / seconds, 1),
        cpu_ms=round(seen.cpu_seconds / max(requests, 1) * 1000, 2),
        search_ms=_percentiles(seen.searches),
        answer_ms=_percentiles(seen.answers),
        memory_mb=seen.memory,
        files_added=seen.files,
        jobs=dict(seen.jobs),
        ready_s=round(ready, 2),
    )


def _percentiles(times: Sequence[float]) -> dict[str, float]:
    if not times:
        return {}
    values = np.percentile(np.array(times), (50, 95, 99))
    names = ("p50", "p95", "p99")
    return {name: round(float(value), 1) for name, value in zip(names, values, strict=True)}


def measure(library: Path, **options: Any) -> Load:
    """Serve this library, and measure it under load."""
    web = options.pop("web")
    with serving(library, web=web) as (pid, address, ready):
        seen = asyncio.run(run(pid, address, **options))
    return figures(seen, clients=options["clients"], seconds=options["seconds"], ready=ready)


def main() -> int:
    """Measure, print, and return 1 if there were errors."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--library", type=Path, help="a library to copy; one is built if absent")
    parser.add_argument("--chunks", type=int, default=CHUNKS)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--ask", action="store_true", help="let one client in twenty ask for answers")
    parser.add_argument("--no-adding", action="store_true", help="only search")
    parser.add_argument("--no-web", action="store_true", help="without the web page")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--as-server", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.as_server:
        serve(arguments.library, web=not arguments.no_web)
        return 0
    clients = min(max(arguments.clients, 1), MOST_CLIENTS)
    seconds = min(max(arguments.seconds, 1.0), MOST_SECONDS)
    with tempfile.TemporaryDirectory(prefix="openbook-load-") as name:
        place = Path(name) / "load.openbook"
        if arguments.library:
            shutil.copytree(arguments.library, place)
        else:
            build(place, arguments.chunks)
        load = measure(
            place,
            clients=clients,
            seconds=seconds,
            with_answers=arguments.ask,
            adding=not arguments.no_adding,
            web=not arguments.no_web,
        )
    print(json.dumps(asdict(load), indent=2) if arguments.json else load.text())
    return int(bool(load.errors))


if __name__ == "__main__":
    os.environ.setdefault("OPENBOOK_OFFLINE", "1")
    sys.exit(main())

"""Figures for Prometheus at `/metrics`: requests, questions, jobs and sizes.

Requests are counted as they end, by the template of their route; everything
else is read off the desks when somebody asks. No label holds what a user
typed, so the number of series stays small.

Refused: prometheus_client's registry of the whole process, which two servers
in one process would share, and its ASGI application, which knows no problem
details.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from openbook.errors import OpenbookError

if TYPE_CHECKING:
    from openbook.serve.desk import Desk, RecentQuestion, Shelf
    from openbook.serve.logs import Served

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
"""Upper bounds in seconds: searches take milliseconds, a written answer may take a minute."""

SIZES: Final = {
    "documents": "Documents of a library.",
    "chunks": "Chunks of a library.",
    "embedded": "Chunks of a library that have a vector.",
    "problems": "Files of a library that could not be read.",
}


class Metrics:
    """The figures of one server. Thread-safe."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._started = time.time()
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "openbook_request_seconds",
            "Time to answer a request, by route template and status.",
            ("method", "route", "status"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._questions = Histogram(
            "openbook_question_seconds",
            "Time to search or to answer, on every surface.",
            ("library", "kind", "outcome"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        for desk in shelf:
            desk.listeners.append(partial(self._observe_question, desk.name))
        self._registry.register(self)

    def observe(self, served: Served) -> None:
        """Count a finished request."""
        self._requests.labels(served.method, served.route or "none", served.status).observe(served.seconds)

    def _observe_question(self, library: str, asked: RecentQuestion) -> None:
        outcome = asked.outcome if asked.kind == "ask" else "done"
        self._questions.labels(library, asked.kind, outcome).observe(asked.milliseconds / 1000)

    def collect(self) -> Iterator[Metric]:
        """What the desks know, at the moment of asking. Called by the registry."""
        start = GaugeMetricFamily("openbook_start_time_seconds", "When the server started (Unix time).")
        start.add_metric((), self._started)
        yield start
        states = [(desk, _sizes(desk)) for desk in self._shelf]
        for key, text in SIZES.items():
            family = GaugeMetricFamily(f"openbook_library_{key}", text, labels=("library",))
            for desk, sizes in states:
                if key in sizes:
                    family.add_metric((desk.name,), sizes[key])
            yield family
        up = GaugeMetricFamily("openbook_library_up", "Whether a library can be read.", labels=("library",))
        jobs = GaugeMetricFamily(
            "openbook_jobs", "Jobs since the server started, by state.", labels=("library", "kind", "state")
        )
        for desk, sizes in states:
            up.add_metric((desk.name,), bool(sizes))
            for (kind, state), number in Counter((job.kind, job.state) for job in desk.jobs.jobs()).items():
                jobs.add_metric((desk.name, kind, state), number)
        yield from (up, jobs)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)


def _sizes(desk: Desk) -> dict[str, int]:
    """The library's sizes; none of one that cannot be read, because the other figures are worth having."""
    try:
        status = desk.library.status()
    except OpenbookError:
        return {}
    return {
        "documents": status.documents,
        "chunks": status.chunks,
        "embedded": status.embedded,
        "problems": len(status.problems),
    }


def include(app: FastAPI, metrics: Metrics) -> None:
    """Add the route."""

    async def figures(request: Request) -> Response:
        background = request.app.state.shelf.desk().background
        return Response(await background.run(metrics.text), media_type=CONTENT_TYPE_LATEST)

    app.add_api_route("/metrics", figures, include_in_schema=False)

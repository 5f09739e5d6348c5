"""Many threads that are the first to need a package: none gets half of it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.model_server.fixtures import StartServer, start_server

__all__ = ["start_server"]

MODEL = """
from openbook.language_models import open_model
from openbook.types import Message

models = [open_model(Settings(model="openai:test-model", base_url=sys.argv[1])) for _ in range(8)]

def use(number):
    if number % 2:
        models[number].prepare()
    with models[number // 2].reply([Message("user", "hello")]) as reply:
        return "".join(reply)
"""
EMBEDDER = """
from openbook.embedders import open_embedder

embedder = open_embedder(Settings(embedder="openai:test-model", embedding_url=sys.argv[1]))

def use(number):
    return len(embedder.embed(["one", "two"], "document"))
"""
ALL = """
import sys, threading
from openbook.settings import Settings
{setup}
start, found = threading.Barrier(8), []

def work(number):
    start.wait()
    found.append(use(number))

threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(*found)
"""


@pytest.mark.parametrize(("setup", "expected"), [(MODEL, "ok"), (EMBEDDER, "2")], ids=["model", "embedder"])
def test_threads_that_begin_together(start_server: StartServer, setup: str, expected: str) -> None:
    server = start_server("ok")
    result = subprocess.run(
        [sys.executable, "-c", ALL.format(setup=setup), server.base_url],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OPENAI_API_KEY": "k"},
    )
    assert result.stderr == ""
    assert result.stdout.split() == [expected] * 8

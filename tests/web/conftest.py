"""A served library of the example documents, a browser, and visits that end without anything gone wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from openbook.library import Library
from openbook.settings import Settings
from tests.web.serving import EXAMPLES, Visit, chromium, serving, visiting

EXPECTED_MILLISECONDS = 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of one module: its event loop would disturb those of others.

    What is expected may take longer on a busy machine than Playwright's five seconds.
    """
    expect.set_options(timeout=EXPECTED_MILLISECONDS)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def example_library(installed_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of the example documents, embedded by the real model. Not to be changed."""
    place = tmp_path_factory.mktemp("web") / "bicycle-kitchen"
    with Library(place, settings=Settings()) as library:
        assert not library.add(EXAMPLES).failures
    return place


@pytest.fixture(scope="session")
def example_server(example_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of the example documents. Conversations add up in it."""
    log = tmp_path_factory.mktemp("web") / "log"
    with serving(example_library, log=log) as url:
        yield url


@pytest.fixture
def visit(browser: Browser, example_server: str) -> Iterator[Visit]:
    """Pages of the served example documents."""
    with visiting(browser, example_server) as visit:
        yield visit

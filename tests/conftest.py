"""What all tests share: the evaluation data, the installed model, and an environment of their own."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parent.parent
NEEDED = ("data", "model")
"""A skip whose reason has one of these words fails where the data must be present."""

OWN = {
    "OPENBOOK_LIBRARY", "OPENBOOK_EMBEDDER", "OPENBOOK_OFFLINE", "OPENBOOK_MODEL", "OPENBOOK_BASE_URL",
    "OPENBOOK_MODEL_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY",
}  # fmt: skip
"""What the user's environment may say and a test must not hear."""

hypothesis.settings.register_profile("openbook", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("openbook")


def data_folder() -> Path:
    """Where the evaluation data is looked for; it need not be there."""
    return Path(os.environ.get("OPENBOOK_DATA") or ROOT.parent / "shared" / "data").resolve()


def pytest_configure() -> None:
    """Keep the user's own settings and library out of the tests, also of the processes they start."""
    os.environ["OPENBOOK_SETTINGS"] = str(ROOT / "tests" / "no-settings.toml")
    own = ("OPENBOOK_LIBRARY", "OPENBOOK_EMBEDDER", "OPENBOOK_OFFLINE")
    models = ("OPENBOOK_MODEL", "OPENBOOK_BASE_URL", "OPENBOOK_MODEL_KEY")
    others = ("OPENAI_BASE_URL", "OLLAMA_BASE_URL")
    for name in (*own, *models, *others):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of evaluation data; skips where it is absent."""
    folder = data_folder()
    if not folder.is_dir():
        pytest.skip(f"the evaluation data is not at {folder} (OPENBOOK_DATA names another place)")
    return folder


@pytest.fixture(scope="session")
def installed_model() -> Path:
    """The folder of the default embedding model; skips where it is not installed in both precisions."""
    from openbook.backends.model_store import PRECISIONS, find_model

    found = {precision: find_model("all-MiniLM-L6-v2", precision=precision) for precision in PRECISIONS}
    for precision, folder in found.items():
        if folder is None:
            pytest.skip(
                f"the model all-MiniLM-L6-v2 is not installed in {precision} "
                f"(OPENBOOK_PRECISION={precision} openbook model install)"
            )
    return Path(str(found["int8"]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where the data must be present (OPENBOOK_REQUIRE_DATA=1), a test skipped for want of it fails."""
    report = yield
    if _must_not_skip(report):
        report.outcome = "failed"
        report.longrepr = f"skipped although OPENBOOK_REQUIRE_DATA is set: {_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module that skips itself."""
    report = yield
    if _must_not_skip(report):
        report.outcome = "failed"
        report.longrepr = f"skipped although OPENBOOK_REQUIRE_DATA is set: {_reason(report)}"
    return report


def _must_not_skip(report: pytest.TestReport | pytest.CollectReport) -> bool:
    if not report.skipped or hasattr(report, "wasxfail") or not os.environ.get("OPENBOOK_REQUIRE_DATA"):
        return False
    return any(word in _reason(report).lower() for word in NEEDED)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)

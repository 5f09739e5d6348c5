"""Answers that a language model writes, in a browser: arriving, stopped, failed, and not supported."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from openbook.library import Library
from openbook.settings import Settings
from tests.model_server.script import Entry, Fail, Say
from tests.model_server.server import ModelServer
from tests.web.serving import PHONE, Visit, contrast_problems, serving, visiting

HOLIDAYS = "How many days of holiday does everybody get?"
SAYS = "Everybody gets 28 days of paid holiday a year [1]. Dogs get 50 days of holiday in August [1]."
HOSTILE = "<img src=x onerror=\"document.title='hacked'\">"
SCRIPT = "<script>document.title='hacked'</script>"
KEY = "a-key-that-nobody-may-see"


@dataclass(slots=True)
class Script:
    """What the model says next; a test sets it."""

    entry: Entry = field(default_factory=lambda: Say(SAYS))

    def __call__(self, body: Mapping[str, Any]) -> Entry:
        return self.entry


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest.fixture(scope="module")
def url(script: Script, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose answers a model writes, over documents with hostile names and headings."""
    place = tmp_path_factory.mktemp("written")
    folder = place / "documents"
    folder.mkdir()
    (folder / "holidays.md").write_text(
        "# Holidays\n\n## Days\n\nEverybody gets 28 days of paid holiday a year. Nobody works in August.\n",
        encoding="utf-8",
    )
    (folder / f"{HOSTILE.replace('/', '')}.md").write_text(
        f"# Parking {HOSTILE}\n\n## Permits {SCRIPT}\n\nA parking permit costs nothing. {HOSTILE}\n"
        f"[a link](javascript:document.title='hacked') and {SCRIPT}\n",
        encoding="utf-8",
    )
    with Library(place / "library", settings=Settings(embedder="hash:64")) as library:
        assert not library.add(folder).failures
    with (
        ModelServer([script]) as model,
        serving(
            place / "library",
            log=place / "log",
            OPENBOOK_EMBEDDER="hash:64",
            OPENBOOK_MODEL="openai:test-model",
            OPENBOOK_MODEL_KEY=KEY,
            OPENBOOK_MODEL_RETRIES="0",
            OPENBOOK_BASE_URL=model.base_url,
        ) as address,
    ):
        yield address


@pytest.fixture
def visit(browser: Browser, url: str, script: Script) -> Iterator[Visit]:
    script.entry = Say(SAYS)
    with visiting(browser, url) as visit:
        yield visit


def ask(page: Page, question: str) -> Locator:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")
    turn = page.locator(".ob-turn").last
    expect(turn.get_by_role("heading", name=question, exact=True)).to_be_visible()
    return turn


def test_what_the_documents_do_not_say_is_told_apart(visit: Visit) -> None:
    page = visit("/")
    turn = ask(page, HOLIDAYS)
    expect(turn.locator(".ob-claim--supported")).to_contain_text("28 days")
    doubtful = turn.locator(".ob-claim--unsupported")
    expect(doubtful).to_contain_text("50 days")
    assert "50" in (doubtful.get_attribute("title") or "")
    assert "wavy" in doubtful.evaluate("(claim) => getComputedStyle(claim).textDecorationStyle")
    expect(turn.locator(".ob-unsupported")).to_have_text(re.compile("not supported"))
    turn.get_by_text("1 claim is not supported by the documents").click()
    expect(turn.locator(".ob-doubts li")).to_contain_text("50")
    facts = turn.locator(".ob-facts")
    expect(facts).to_contain_text("Written by")
    expect(facts).to_contain_text("test-model")
    expect(facts).to_contain_text("tokens")
    assert contrast_problems(page) == []


def test_text_is_shown_while_it_arrives_and_a_stop_keeps_what_had_come(visit: Visit, script: Script) -> None:
    gate = threading.Event()
    script.entry = Say("Everybody gets 28 days of paid holiday a year [1].", gate=gate)
    page = visit("/")
    turn = ask(page, HOLIDAYS)
    body = turn.locator(".ob-turn__body")
    expect(turn.locator(".ob-answer--arriving")).to_contain_text("Everybody")
    expect(body).to_have_attribute("aria-busy", "true")
    expect(body).to_have_attribute("aria-live", "polite")
    expect(turn.get_by_text(re.compile("Evidence: "))).to_be_visible()
    page.get_by_label("Your question").fill("not now")
    page.keyboard.press("Enter")
    expect(page.locator(".ob-turn")).to_have_count(1)
    page.get_by_role("button", name="Stop").click()
    expect(turn.locator(".ob-facts")).to_contain_text("Not complete")
    expect(body).to_have_attribute("aria-busy", "false")
    expect(turn.locator(".ob-answer")).to_contain_text("Everybody")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    gate.set()
    expect(page).to_have_url(re.compile(r"\?conversation=\d+$"))
    page.reload()
    expect(page.locator(".ob-turn .ob-answer")).to_contain_text("Everybody")
    expect(page.locator(".ob-turn .ob-facts")).to_contain_text("Not complete")


def test_a_failure_says_what_to_do_and_can_be_tried_again(visit: Visit, script: Script) -> None:
    script.entry = Fail(401, echo_key=True)
    page = visit("/")
    turn = ask(page, HOLIDAYS)
    card = turn.get_by_role("alert")
    expect(card).to_contain_text("refused the key")
    card.get_by_text("What exactly happened").click()
    assert KEY not in page.content()
    assert contrast_problems(page) == []
    script.entry = Say(SAYS)
    card.get_by_role("button", name="Try again").click()
    expect(page.locator(".ob-turn").last.locator(".ob-claim--supported")).to_contain_text("28 days")


def test_quotes_are_there_where_the_model_is_not(visit: Visit, script: Script) -> None:
    script.entry = Fail(500)
    page = visit("/")
    turn = ask(page, HOLIDAYS)
    turn.get_by_role("button", name="Answer with quotes").click()
    newest = page.locator(".ob-turn").last
    expect(newest.locator(".ob-facts")).to_be_visible()
    expect(newest.locator(".ob-facts")).not_to_contain_text("Written by")


def test_the_model_can_be_switched_off_and_strictness_on(visit: Visit) -> None:
    page = visit("/")
    page.get_by_role("button", name="Strict").click()
    turn = ask(page, HOLIDAYS)
    expect(turn.locator(".ob-facts")).to_be_visible()
    expect(turn.locator(".ob-claim--unsupported")).to_have_count(0)
    expect(turn.locator(".ob-turn__body")).not_to_contain_text("50 days")
    page.get_by_role("button", name=re.compile("Written by")).click()
    turn = ask(page, "How many days of paid holiday?")
    expect(turn.locator(".ob-facts")).to_be_visible()
    expect(turn.locator(".ob-facts")).not_to_contain_text("Written by")


def test_nothing_in_names_headings_questions_or_answers_runs(visit: Visit, script: Script) -> None:
    script.entry = Say(
        f"A parking permit costs nothing [1]. {HOSTILE} {SCRIPT} "
        "[a link](javascript:document.title='hacked') ![an image](http://example.invalid/x.png)"
    )
    page = visit("/", size=PHONE)
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    turn = ask(page, f"What does a parking permit cost? {HOSTILE}")
    expect(turn.locator(".ob-facts")).to_be_visible()
    turn.locator(".ob-evidence").evaluate("(box) => { box.open = true; }")
    turn.locator(".ob-evidence__open", has_text="parking").or_(
        turn.locator(".ob-evidence__open")
    ).first.click()
    panel = page.get_by_role("complementary", name="Source")
    expect(panel.locator(".ob-document")).to_be_visible()
    assert page.evaluate(_ACTIVE) == []
    text_form = panel.get_by_role("button", name="Text", exact=True)
    if text_form.is_visible():
        text_form.click()
        expect(panel.locator(".ob-document--text")).to_be_visible()
    assert page.evaluate(_ACTIVE) == []
    assert page.title() != "hacked"
    page.goto(f"{visit.url}/?conversation=1")
    expect(page.locator(".ob-thread")).to_be_visible()
    assert page.evaluate(_ACTIVE) == []
    assert page.title() != "hacked"


_ACTIVE = """() => {
  const inside = [...document.querySelectorAll("main *, .q-dialog *")];
  return inside.filter((one) => one.tagName === "SCRIPT" || one.tagName === "IFRAME"
    || (one.tagName === "IMG" && !one.src.startsWith(location.origin + "/api/"))
    || [...one.attributes].some((attribute) => attribute.name.startsWith("on"))
    || /^javascript:/i.test(one.getAttribute("href") || "")).map((one) => one.outerHTML);
}"""

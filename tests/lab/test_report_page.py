"""The page of a report: nothing of it comes from elsewhere, nothing in it runs, and it fits a phone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from openbook.lab.comparing import Comparison, Configuration, Measured, contrasted, intervals_of
from openbook.lab.evaluate import Evaluation
from openbook.lab.report_charts import Dot, differences, dots, over_time
from openbook.lab.report_page import About, page
from tests.lab.test_evaluation_history import ENTRY

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = (
    "\"><script>document.title='bad'</script><img src=http://127.0.0.1:9/x onerror=document.title='bad'>"
    "'&\u202e"
)


def measured(name: str, *values: float) -> Measured:
    named = {f"q{number}{HOSTILE}": value for number, value in enumerate(values)}
    mean = sum(values) / len(values)
    evaluation = Evaluation(
        {"ndcg@10": mean, "mrr": mean, "not_found_f1": None, HOSTILE: 0.5},
        {"p50": 1.5, HOSTILE: 2.0},
        {"answerable": len(values), HOSTILE: 1},
        {HOSTILE: {"hit@1": 0.1, "hit@5": 0.5, "mrr": 0.3, "recall@10": 0.6, "ndcg@10": 0.4}},
        (HOSTILE,),
        questions={"ndcg@10": named, "mrr": named},
    )
    return Measured(Configuration(name), evaluation, intervals_of(evaluation))


@pytest.fixture
def comparison() -> Comparison:
    return contrasted(
        [
            measured("as it is", 0.5, 0.5, 0.5, 1.0, 0.2, 0.3),
            measured(HOSTILE, 0.5, 1.0, 0.25, 1.0, 0.3, 0.4),
            measured("k=3", 0.5, 0.5, 0.5, 1.0, 0.2, 0.3),
        ]
    )


@pytest.fixture
def html(comparison: Comparison) -> str:
    texts = dict.fromkeys(comparison.measured[0].evaluation.questions["mrr"], f"What about {HOSTILE * 5}?")
    about = About(HOSTILE, HOSTILE, "2026-01-02", {HOSTILE: HOSTILE, "k": "8"}, texts)
    later = replace(ENTRY, at="2026-02-03T00:00:00Z", measures={"ndcg@10": 0.625})
    other = [replace(entry, configuration=HOSTILE) for entry in (ENTRY, later)]
    return page(comparison, about, [ENTRY, *other, later])


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_nothing_comes_from_elsewhere_and_nothing_runs(html: str) -> None:
    tags = Tags()
    tags.feed(html)
    names = {tag for tag, _ in tags.found}
    assert (
        names & {"script", "img", "link", "iframe", "object", "embed", "use", "image", "a", "base"} == set()
    )
    for _, attributes in tags.found:
        assert not {
            name for name in attributes if name.startswith("on") or name in ("src", "href", "xlink:href")
        }
    assert "url(" not in html
    assert "@import" not in html
    assert "\u202e" not in html
    assert "default-src &#x27;none&#x27;" in html or "default-src 'none'" in html


def test_every_tag_is_closed(html: str) -> None:
    open_tags: list[str] = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag != "meta":
                open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Balance().feed(html)
    assert open_tags == []


def test_numbers_intervals_and_p_values_stand_in_the_page(comparison: Comparison, html: str) -> None:
    first = comparison.measured[0].intervals["ndcg@10"]
    assert f"95 %: {first.low:.3f} to {first.high:.3f}" in html
    contrast = comparison.contrasts[0]["ndcg@10"]
    assert f"{contrast.difference.mean:+.3f}" in html
    assert f"p {contrast.corrected:.3f}" in html
    assert "3 questions got better, 1 worse, by ndcg@10." in html
    assert "No question got better or worse." in html
    assert "ndcg@10, 2 times" in html


def test_one_configuration_needs_no_comparison(comparison: Comparison) -> None:
    alone = page(contrasted(comparison.measured[:1]), About("set", "library", "now"))
    for word in ("compared", "got better", "Over time", "legend"):
        assert word not in alone.partition("</style>")[2]


def test_pictures_say_in_words_what_they_show() -> None:
    assert 'aria-label="a &lt;b&gt;"' in dots([Dot(0.5)], says="a <b>")
    assert "<title>none</title>" in differences([], says="none")
    assert over_time([[Dot(0.5)]], says="one").count('class="mark s0"') == 1
    assert "nan" not in over_time([[Dot(0.0), Dot(0.0)], [Dot(1.0, 1.0, 1.0, 1)]], says="flat")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.is_file():
        pytest.skip(f"there is no Chromium at {CHROMIUM}")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-background-networking", "--disable-quic"],
        )
        yield opened
        opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1100])
def test_the_page_in_a_browser(browser: Browser, tmp_path: Path, html: str, width: int, scheme: str) -> None:
    file = tmp_path / "report.html"
    file.write_text(html, encoding="utf-8")
    seen = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    complaints: list[str] = []
    asked: list[str] = []
    seen.on("console", lambda message: complaints.append(message.text))
    seen.on("request", lambda request: asked.append(request.url))
    seen.goto(file.as_uri())
    seen.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert "bad" not in seen.title().split()
    assert "<script>" in seen.inner_text("body")
    assert seen.evaluate("document.documentElement.scrollWidth") == width
    assert (complaints, asked) == ([], [file.as_uri()])
    light = seen.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(250, 248, 244)"
    assert light == (scheme == "light")
    seen.emulate_media(media="print")
    assert seen.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    seen.close()

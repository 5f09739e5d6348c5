"""No document, name, heading, quote or answer can make a browser run or load anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.read import read_bytes
from openbook.serve.view.answers import answer_html
from openbook.serve.view.highlight import Highlight
from openbook.serve.view.rendered import rendered_view
from openbook.serve.view.showing import document_view
from openbook.serve.view.text import text_view
from openbook.types import Answer, Citation, Claim, Document, Evidence, Mark
from tests.view.browsing import Seen
from tests.view.payloads import PAYLOADS

EVIDENCE = (Evidence(1, "a.md", 1, 0, 9, None, "", "text", 1.0),)


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("name", ["a.md", "a.html", "a.txt", "a.csv"])
def test_documents_neither_act_nor_load(payload: str, name: str) -> None:
    text = f"# Title\n\nBefore it. {payload}\n\nAfter it, the end.\n"
    document = read_bytes(text.encode("utf-8"), name)
    start = document.text.find("After it")  # a tag that is never closed may swallow it
    seen = Seen(document_view(document, [Highlight(start, start + 8, 1)] if start >= 0 else []).html)
    assert seen.marked_text(1) == ("After it" if start >= 0 else "")
    shown = Seen(text_view(document, [Highlight(0, len(document.text), 1)]))
    assert shown.text == document.text.replace("\0", "\ufffd")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_names_and_headings_neither_act_nor_load(payload: str) -> None:
    text = f"{payload}\n\ntext"
    marks = (
        Mark("page", 0, len(text), payload, 1),
        Mark("heading", 0, len(payload), payload, 1),
    )
    document = Document(payload, text, "text/plain", title=payload, marks=marks)
    assert Seen(text_view(document, [Highlight(0, 4, 1)])).text == text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_answers_neither_act_nor_load(payload: str) -> None:
    text = f"It is so [1]. {payload}\n\nAnd that is all [1]."
    end = text.index("And that is all") + 15
    claims = (
        Claim(0, 8, (1,), 0.9, True, (payload,)),
        Claim(end - 15, end, (1,), 0.1, False, (payload, payload)),
    )
    answer = Answer(
        payload, text, "answered", 0.9, (Citation(0, 8, 1, payload, True),), EVIDENCE, claims=claims
    )
    seen = Seen(answer_html(answer))
    assert seen.spans["ob-claim ob-claim--supported"] == "It is so"
    assert seen.spans["ob-claim ob-claim--unsupported"] == "And that is all"
    Seen(answer_html(text))
    quoting = Answer(payload, text, "answered", 0.9, (Citation(0, end, 1, payload, True),), EVIDENCE)
    Seen(answer_html(quoting))


@given(
    st.lists(st.sampled_from([*PAYLOADS, "\n\n", "word ", "**", "> ", "- ", "| ", "<", ">", '"']), max_size=6)
)
def test_payloads_that_follow_each_other_neither_act_nor_load(parts: list[str]) -> None:
    text = "".join(parts)
    document = Document("a.md", text, "text/markdown")
    rendered = rendered_view(document, [])
    if rendered is not None:
        Seen(rendered)
    Seen(text_view(document, []))
    Seen(answer_html(text))


def test_what_an_image_shows_is_told_in_words() -> None:
    document = Document(
        "a.md", "See ![the red board](https://evil.example/board.png) there.", "text/markdown"
    )
    html = rendered_view(document, [])
    assert html is not None
    assert "evil" not in html
    assert Seen(html).spans["ob-image"] == "the red board"


def test_links_to_the_web_stay_and_open_elsewhere() -> None:
    document = Document("a.md", "[here](https://example.org/a?b=1&c=2)", "text/markdown")
    html = rendered_view(document, [])
    assert html is not None
    assert Seen(html).links == ["https://example.org/a?b=1&c=2"]
    assert 'target="_blank"' in html

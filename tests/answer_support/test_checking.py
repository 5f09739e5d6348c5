"""A model's text, checked: every claim bound to what says it, every quote verbatim."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.answer.checking import Checked, check_text, strict_text
from openbook.answer.declining import said_not_found
from openbook.answer.support import SupportChecker
from openbook.types import Evidence
from tests.answer_support.conftest import DOCUMENTS, content_words

ReadText = Callable[[int, int, int], str]


def said(checked: Checked) -> list[tuple[str, tuple[int, ...], bool]]:
    return [(checked.text[c.start : c.end], c.numbers, c.supported) for c in checked.claims]


def test_a_right_citation_stays_and_gets_its_quote(
    checker: SupportChecker, evidence: list[Evidence], read_text: ReadText
) -> None:
    text = "The O2 Arena opened on 24 June 2007 [2]."
    checked = check_text(text, evidence, checker, read_text)
    assert checked.text == text
    assert said(checked) == [(text, (2,), True)]
    (citation,) = checked.citations
    assert (citation.number, citation.supported) == (2, True)
    assert "24 June 2007" in citation.quote
    assert read_text(2, citation.source_start, citation.source_end) == citation.quote


def test_an_uncited_claim_is_cited(
    checker: SupportChecker, evidence: list[Evidence], read_text: ReadText
) -> None:
    checked = check_text("Mount Logan is the highest mountain in Canada.", evidence, checker, read_text)
    assert checked.text == "Mount Logan is the highest mountain in Canada [3]."
    assert said(checked) == [(checked.text, (3,), True)]


def test_a_wrong_citation_is_put_right_and_says_so(
    checker: SupportChecker, evidence: list[Evidence], read_text: ReadText
) -> None:
    checked = check_text("Mount Logan is the highest mountain in Canada [1].", evidence, checker, read_text)
    assert checked.text == "Mount Logan is the highest mountain in Canada [3]."
    assert checked.claims[0].supported
    assert checked.claims[0].reasons == ("[1] was cited and does not say this; [3] does",)


def test_a_number_beside_the_right_one_is_taken_away(
    checker: SupportChecker, evidence: list[Evidence], read_text: ReadText
) -> None:
    checked = check_text(
        "Mount Logan is the highest mountain in Canada [1][3].", evidence, checker, read_text
    )
    assert checked.text == "Mount Logan is the highest mountain in Canada [3]."
    assert [citation.number for citation in checked.citations] == [3]


def test_what_nothing_says_is_marked_and_keeps_its_number(
    checker: SupportChecker, evidence: list[Evidence], read_text: ReadText
) -> None:
    text = "The O2 Arena opened on 25 June 2007 [2]. Penguins eat fish."
    checked = check_text(text, evidence, checker, read_text)
    assert checked.text == text
    assert [claim.supported for claim in checked.claims] == [False, False]
    assert "25 is not in [2]" in checked.claims[0].reasons
    assert [(c.number, c.supported) for c in checked.citations] == [(2, False)]


def test_numbers_never_given_are_counted_and_the_claim_is_cited_anew(
    checker: SupportChecker, evidence: list[Evidence], read_text: ReadText
) -> None:
    checked = check_text("The O2 Arena holds 20,000 people [7][8].", evidence, checker, read_text)
    assert checked.removed == 2
    assert checked.text == "The O2 Arena holds 20,000 people [2]."


def test_a_claim_of_two_pieces_keeps_both_numbers(
    checker: SupportChecker, evidence: list[Evidence], read_text: ReadText
) -> None:
    text = "Insulin was discovered in 1921, and the O2 Arena opened on 24 June 2007 [1][2]."
    checked = check_text(text, evidence, checker, read_text)
    assert checked.text == text
    assert checked.claims[0].supported
    assert {citation.number for citation in checked.citations} == {1, 2}


LONG = """Here is what I found:

## Insulin

Insulin is a hormone made by beta cells [Source 1]. It was discovered in 1921 【2】. It was found on Mars [1].

- The O2 Arena opened on June 24, 2007 [2, 9].
- The O2 Arena was sold for 90 dollars.
- Mount Logan is the highest mountain in Canada. [^3]

| Mountain | Height |
|---|---|
| Mount Logan | 5,959 metres |
| Mount Nothing | 12 metres [3] |

```r
x[1]
```

I hope this helps!"""


def test_a_long_text_is_checked_part_by_part(
    checker: SupportChecker, evidence: list[Evidence], read_text: ReadText
) -> None:
    checked = check_text(LONG, evidence, checker, read_text)
    assert [(numbers, supported) for _, numbers, supported in said(checked)] == [
        ((1,), True), ((1,), True), ((1,), False), ((2,), True), ((2,), False), ((3,), True), ((3,), True),
        ((3,), False),
    ]  # fmt: skip
    assert "| Mount Logan | 5,959 metres [3] |" in checked.text
    assert "x[1]" in checked.text
    assert checked.removed == 1


def test_strict_drops_what_is_not_supported_with_its_line(
    checker: SupportChecker, evidence: list[Evidence], read_text: ReadText
) -> None:
    checked = check_text(LONG, evidence, checker, read_text)
    strict = strict_text(checked)
    assert all(claim.supported for claim in strict.claims)
    assert len(strict.claims) == 5
    for gone in ("Mars", "90 dollars", "Mount Nothing"):
        assert gone not in strict.text
    assert "1921 [1].\n\n- The O2 Arena opened" in strict.text
    assert "[2].\n- Mount Logan" in strict.text
    kept = [checked.text[c.start : c.end] for c in checked.claims if c.supported]
    assert [strict.text[c.start : c.end] for c in strict.claims] == kept
    for citation in strict.citations:
        assert strict.text[citation.start : citation.end] in kept


def test_strict_leaves_nothing_of_a_text_without_support(
    checker: SupportChecker, evidence: list[Evidence], read_text: ReadText
) -> None:
    checked = check_text("Here it is:\n\nPenguins eat fish [1].", evidence, checker, read_text)
    assert strict_text(checked).text == ""
    assert strict_text(check_text("", evidence, checker, read_text)).text == ""


def test_a_quote_that_the_document_no_longer_holds_supports_nothing(
    checker: SupportChecker, evidence: list[Evidence]
) -> None:
    text = "Mount Logan is the highest mountain in Canada [3]."
    checked = check_text(text, evidence, checker, lambda *_: "changed")
    assert not checked.claims[0].supported
    assert checked.citations == ()
    assert "no longer holds" in checked.claims[0].reasons[-1]


def test_a_list_of_sources_is_no_claim(
    checker: SupportChecker, evidence: list[Evidence], read_text: ReadText
) -> None:
    checked = check_text("Mount Logan is high [3].\n\n[3] doc-3.md", evidence, checker, read_text)
    assert len(checked.claims) == 1


def test_without_evidence_every_number_is_removed(checker: SupportChecker, read_text: ReadText) -> None:
    checked = check_text("Cats sleep a lot [1].", [], checker, read_text)
    assert (checked.text, checked.removed, checked.citations) == ("Cats sleep a lot.", 1, ())
    assert [claim.supported for claim in checked.claims] == [False]


PIECES = [
    "Mount Logan is the highest mountain in Canada", "Penguins eat fish", "[1]", "[3]", "[9]", "[2, 3]", ".",
    " ", "\n", "\n\n", "- ", "| a | b |\n|---|---|\n", "`x[1]`", "It opened on 24 June 2007", "# Title\n",
    "?", "。", "**",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_offsets_always_point_at_what_was_claimed(text: str) -> None:
    evidence = [
        Evidence(n, f"{n}.md", n, 0, len(words), None, "", words, 0.5) for n, words in DOCUMENTS.items()
    ]
    checker = SupportChecker(content_words=content_words)
    checked = check_text(text, evidence, checker, lambda n, start, end: DOCUMENTS[n][start:end])
    for result in (checked, strict_text(checked)):
        spans = {(claim.start, claim.end) for claim in result.claims}
        for start, end in spans:
            assert 0 <= start < end <= len(result.text)
            assert any(character.isalnum() for character in result.text[start:end])
        for citation in result.citations:
            assert (citation.start, citation.end) in spans
            quote = DOCUMENTS[citation.number][citation.source_start : citation.source_end]
            assert quote == citation.quote != ""
    words = [c for c in text if c.isalpha()]
    assert [c for c in checked.text if c.isalpha()] == words


@pytest.mark.parametrize("ending", [".", "!", ".**", " |", '."', ""])
def test_a_marker_is_put_in_before_the_end(ending: str) -> None:
    evidence = [Evidence(3, "3.md", 3, 0, len(DOCUMENTS[3]), None, "", DOCUMENTS[3], 0.5)]
    checker = SupportChecker(content_words=content_words)
    checked = check_text(
        f"Mount Logan is the highest mountain in Canada{ending}",
        evidence,
        checker,
        lambda n, a, b: DOCUMENTS[n][a:b],
    )
    assert checked.text.startswith("Mount Logan is the highest mountain in Canada [3]")


@pytest.mark.parametrize(
    "text",
    [
        "." * 60_000 + "bananas",
        "no bananas" + " " * 60_000 + "here.",
        " " * 60_000 + "bananas.",
        "-" * 60_000 + "bananas",
        "[source" + " " * 60_000,
    ],
    ids=["dots", "blanks inside", "blanks in front", "dashes", "an open bracket"],
)
def test_one_sign_repeated_without_end_is_read_in_one_pass(
    text: str, evidence: list[Evidence], read_text: ReadText
) -> None:
    """A model in a loop writes such texts; read again from every sign on they would take minutes."""
    checker = SupportChecker(content_words=content_words, embed=None, language="en")
    checked = check_text(text, evidence, checker, read_text)
    assert checked.text == text
    assert not said_not_found(text)


def test_the_number_of_an_item_is_no_number_that_the_evidence_has_to_say(
    checker: SupportChecker, evidence: list[Evidence], read_text: ReadText
) -> None:
    text = f"7. {HIGHEST} [3].\n8) {HIGHEST} [3].\n\n(9) [3] {HIGHEST}.\n"
    checked = check_text(text, evidence, checker, read_text)
    assert checked.text == text
    assert said(checked) == [(f"{HIGHEST} [3].", (3,), True)] * 2 + [(f"{HIGHEST}.", (3,), True)]


HIGHEST = "Mount Logan is the highest mountain in Canada"
FALSE = "The moon weighs 900 bananas"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"They are:\n- {FALSE}\n- {FALSE}\n\n{HIGHEST} [3].", f"{HIGHEST} [3]."),
        (f"They are:\n- {FALSE}\n- {HIGHEST} [3].", f"They are:\n- {HIGHEST} [3]."),
        (f"{HIGHEST} [3]. They are:\n\n1. {FALSE} [1]\n2. {FALSE}", f"{HIGHEST} [3]."),
        (f"{FALSE}. They are:\n1. {FALSE} [1]\n\n{HIGHEST} [3].", f"{HIGHEST} [3]."),
        (f"{HIGHEST} [3]:\n- {FALSE}", f"{HIGHEST} [3]:"),
        (f"So:\n\n```\ncode\n```\n\n{FALSE}.\n\n{HIGHEST} [3].", f"So:\n\n```\ncode\n```\n\n{HIGHEST} [3]."),
        (f"# A\n\n{FALSE}.\n\n## B\n\nIt is:\n- {FALSE}\n\n# C\n\n{HIGHEST} [3].", f"# C\n\n{HIGHEST} [3]."),
        (f"# Logan\n\n{HIGHEST} [3].\n\n## More\n\n{FALSE}.", f"# Logan\n\n{HIGHEST} [3]."),
        (f"| What | How |\n|---|---|\n| moon | 900 [1] |\n\n{HIGHEST} [3].", f"{HIGHEST} [3]."),
        (f"- Moons:\n  - {FALSE}\n- {HIGHEST} [3]", f"- {HIGHEST} [3]"),
        (f"- [2] {FALSE}\n- [3] {HIGHEST}", f"- [3] {HIGHEST}"),
        (f"{HIGHEST}\u2028 [3]. {FALSE}\u2028.", f"{HIGHEST}\u2028 [3]."),
        (f"{HIGHEST} [3]\u2028. {FALSE}.", f"{HIGHEST} [3]\u2028."),
        (f"It is:\r\n\r\n- {FALSE}\r\n\r\n{HIGHEST} [3].\r\n", f"{HIGHEST} [3]."),
    ],
)  # fmt: skip
def test_strict_leaves_nothing_that_announces_what_is_gone(
    text: str, left: str, evidence: list[Evidence], read_text: ReadText
) -> None:
    checker = SupportChecker(content_words=content_words, embed=None, language="en")
    strict = strict_text(check_text(text, evidence, checker, read_text))
    assert strict.text == left
    assert all(claimed.startswith(HIGHEST) for claimed, _, _ in said(strict))
    assert len(strict.citations) == len(strict.claims) == 1

"""Quotes are verbatim, in reading order, and checked against the documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from openbook.answer import Draft
from openbook.answer.quoting import QuotingGenerator, not_found_text
from openbook.answer.ranking import SentenceRanker
from openbook.answer.verify import verified
from openbook.embed import HashEmbedder
from openbook.types import Citation, Evidence

MakeEvidence = Callable[..., Evidence]
JOINS = (
    "A join combines two tables. The weather was nice that day and nobody cared. "
    "To join two tables, match rows by a key:\n\n```r\nleft_join(a, b)\n```\n\nBirds sing in the morning."
)


def check(draft: Draft, evidence: list[Evidence]) -> None:
    pieces = {piece.number: piece for piece in evidence}
    for citation in draft.citations:
        piece = pieces[citation.number]
        assert draft.text[citation.start : citation.end] == citation.quote
        start, end = citation.source_start - piece.start, citation.source_end - piece.start
        assert piece.text[start:end] == citation.quote
        assert draft.text[citation.end :].lstrip().startswith(f"[{citation.number}]")


def test_the_sentences_that_answer_are_quoted(ranker: SentenceRanker, make_evidence: MakeEvidence) -> None:
    evidence = [make_evidence(1, JOINS, start=100)]
    draft = QuotingGenerator(ranker).generate("how do I join two tables by key", evidence)
    check(draft, evidence)
    assert "match rows by a key:\n\n```r\nleft_join(a, b)\n```" in draft.text
    assert "weather" not in draft.text
    assert draft.text.endswith("```\n[1]")


def test_neighbouring_sentences_are_one_quote(ranker: SentenceRanker, make_evidence: MakeEvidence) -> None:
    evidence = [make_evidence(1, "Join tables by key. Join tables by name. Rain fell on Sunday.")]
    draft = QuotingGenerator(ranker).generate("join tables by key or name", evidence)
    assert draft.text == "Join tables by key. Join tables by name. [1]"


def test_documents_stand_together_in_reading_order(
    ranker: SentenceRanker, make_evidence: MakeEvidence
) -> None:
    evidence = [
        make_evidence(1, "Join our tables today.", document_id=1, start=500, score=0.6),
        make_evidence(2, "Tables have one key.", document_id=2),
        make_evidence(3, "Each join needs key.", document_id=1, start=10),
    ]
    draft = QuotingGenerator(ranker).generate("join tables key", evidence)
    check(draft, evidence)
    assert [citation.number for citation in draft.citations] == [3, 1, 2]


def test_the_same_words_are_quoted_once(ranker: SentenceRanker, make_evidence: MakeEvidence) -> None:
    same = "Join tables by key."
    evidence = [make_evidence(1, same, document_id=1), make_evidence(2, same, document_id=2)]
    draft = QuotingGenerator(ranker).generate("join tables by key", evidence)
    assert draft.text == f"{same} [1]"


def test_a_heading_that_lost_its_marks_is_no_answer(
    ranker: SentenceRanker, make_evidence: MakeEvidence
) -> None:
    evidence = [make_evidence(1, "Join tables by key\n\nTables join by key with the join function.")]
    draft = QuotingGenerator(ranker).generate("join tables by key", evidence)
    assert draft.text == "Tables join by key with the join function. [1]"


def test_a_question_in_the_text_is_quoted_with_its_answer(
    ranker: SentenceRanker, make_evidence: MakeEvidence
) -> None:
    evidence = [
        make_evidence(1, "How do tables join by key? Use the function. How do tables join by name? Why?")
    ]
    draft = QuotingGenerator(ranker).generate("how do tables join by key", evidence)
    assert draft.text == "How do tables join by key? Use the function. [1]"


def test_words_alone_are_enough(words_only_ranker: SentenceRanker, make_evidence: MakeEvidence) -> None:
    evidence = [make_evidence(1, JOINS)]
    draft = QuotingGenerator(words_only_ranker).generate("join two tables", evidence)
    check(draft, evidence)
    assert "A join combines two tables." in draft.text


def test_nothing_to_quote(ranker: SentenceRanker, make_evidence: MakeEvidence) -> None:
    assert QuotingGenerator(ranker).generate("anything", []) == Draft("")
    assert QuotingGenerator(ranker).generate("anything", [make_evidence(1, "# Only a heading")]) == Draft("")


def test_not_found_names_the_nearest_places(make_evidence: MakeEvidence) -> None:
    assert not_found_text([]) == "Your documents do not seem to answer this."
    evidence = replace(make_evidence(1, "x"), place="p. 7, Results")
    assert not_found_text([evidence]).endswith("\n- document-1.md (p. 7, Results) [1]")


def test_citations_are_believed_only_when_the_document_says_so(make_evidence: MakeEvidence) -> None:
    document = "0123456789 A true sentence. The rest."
    piece = make_evidence(1, document[11:27], start=11)
    said = [
        Citation(0, 16, 1, "A true sentence.", False, 11, 27),
        Citation(0, 16, 1, "A false sentence", True, 11, 27),
        Citation(0, 9, 1, "The rest.", True, 28, 37),
        Citation(0, 16, 7, "A true sentence.", True, 11, 27),
    ]
    checked = verified(Draft("", tuple(said)), [piece], lambda _, start, end: document[start:end])
    assert [(citation.number, citation.supported) for citation in checked] == [
        (1, True),
        (1, False),
        (1, False),
    ]


PLAIN = "join table key rain. Sun! `x` - # : | 。 e.g. what? the"
words = st.sampled_from([*PLAIN.split(), "```\n", "\n\n"])


@given(
    st.lists(st.lists(words, max_size=30).map(" ".join), max_size=4), st.lists(words, min_size=1, max_size=5)
)
def test_every_quote_is_verbatim(texts: list[str], question: list[str]) -> None:
    evidence = [
        Evidence(
            number, f"{number % 2}", number % 2, 7 * number, 7 * number + len(text), None, "H", text, 0.5
        )
        for number, text in enumerate(texts, start=1)
    ]
    ranker = SentenceRanker(content_words=str.split, embed=HashEmbedder(64).embed)
    check(QuotingGenerator(ranker).generate(" ".join(question), evidence), evidence)

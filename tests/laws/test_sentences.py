"""What holds for the sentences of any text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openbook.answer.sentences import sentences, split_sentences

WORDS = "word Word Dr. e.g. 3. 12.5 A. end. what? no! ... `` '' `x.Y` ( ). 。 「は」 ไทย है। [^1] * , ; |"
BLOCKS = ["```", "```r", "# ", "- ", "1. ", "> ", "---", "=====", "#| echo", "2024-01-02", "\t"]
ODD = ["\u00a0", "\u200b", "\r", "\U0001f469\u200d\U0001f469", "e\u0301"]
PIECES = [*WORDS.split(), *BLOCKS, *ODD]
GAPS = ["", " ", " ", " ", "\n", "\n\n", "\n    "]
texts = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(GAPS)), max_size=60).map(
    lambda parts: "".join(piece + gap for piece, gap in parts)
)


@given(texts, st.sampled_from(["", "en", "de", "ja", "th"]))
def test_spans_are_sorted_apart_and_trimmed(text: str, language: str) -> None:
    position = 0
    for start, end in split_sentences(text, language):
        assert position <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        position = end


@given(texts)
def test_no_word_is_lost_outside_of_rules_and_directives(text: str) -> None:
    covered = "".join(text[start:end] for start, end in split_sentences(text))
    for word in ("word", "Word", "12.5", "ไทย", "है।"):
        skipped = sum(line.count(word) for line in text.split("\n") if line.lstrip().startswith("#|"))
        assert text.count(word) - skipped <= covered.count(word)


@given(st.text(max_size=300))
def test_any_text_can_be_split(text: str) -> None:
    for sentence in sentences(text):
        assert text[sentence.start : sentence.end].strip()


@given(texts)
def test_splitting_is_deterministic(text: str) -> None:
    assert sentences(text) == sentences(text)

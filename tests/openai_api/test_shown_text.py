"""Where the words of one text stand in another that has other markers; and endings that can be taken off."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from openbook.serve.openai_api.shown_text import Alike, rest_of_text, whole_text, without_ending
from openbook.types import Answer, Citation, Claim, Evidence

WORDS = st.lists(st.text(string.ascii_letters + "äß。,.", min_size=1, max_size=8), min_size=1, max_size=30)
MARKERS = st.sampled_from(["", " [1]", "[2]", " 【3】", " [not supported]", " (Source 4)", "[5](#x)", "\n"])


def written(words: list[str], markers: list[str]) -> tuple[str, list[tuple[int, int]]]:
    """A text of words with a marker behind each, and where each word stands."""
    text, places = "", []
    for word, marker in zip(words, markers, strict=True):
        text += " " if text else ""
        places.append((len(text), len(text) + len(word)))
        text += word + marker
    return text, places


@given(st.data(), WORDS)
def test_words_are_found_again_whatever_markers_came_and_went(data: st.DataObject, words: list[str]) -> None:
    markers = st.lists(MARKERS, min_size=len(words), max_size=len(words))
    first, places = written(words, data.draw(markers))
    second, others = written(words, data.draw(markers))
    alike = Alike(first, second)
    assert [alike.span(start, end) for start, end in places] == others
    assert alike.span(0, places[-1][1]) == (others[0][0], others[-1][1])


def test_texts_that_differ_in_words_are_alike_in_the_others() -> None:
    alike = Alike("Herons eat fish. They wait.", "Herons eat plenty of fish. They wait.")
    start, end = alike.span(17, 27) or (0, 0)
    assert "Herons eat plenty of fish. They wait."[start:end] == "They wait."
    assert Alike("abc", "xyz").span(0, 3) is None


PIECE = Evidence(1, "a\nb.md", 7, 0, 9, None, "", "Swifts fly.", 0.5, place="p. 3")
ANSWER = Answer(
    "How?",
    "Swifts fly.",
    "answered",
    0.9,
    citations=(Citation(0, 11, 1, "Swifts fly.", True),),
    evidence=(PIECE,),
    claims=(Claim(0, 11, (1,), 0.9, True),),
    notes=("A note\nof two lines.",),
)


def test_the_ending_is_taken_off_again() -> None:
    shown = whole_text(ANSWER, lambda piece: f"http://host/{piece.document_id}")
    assert shown.text == (
        "Swifts fly. [1]\n\nChecked against the documents:\n- A note of two lines.\n\n"
        "Sources:\n- [1] a b.md (p. 3): http://host/7"
    )
    assert without_ending(shown.text) == "Swifts fly. [1]"
    assert without_ending("Sources:\n- [1] are all there is") == "Sources:\n- [1] are all there is"


def test_what_was_sent_stays_as_it_was() -> None:
    sent = "Swifts  fly [1][2]."
    shown = rest_of_text(ANSWER, sent, lambda piece: piece.path, sources=False)
    assert shown.text.startswith(f"{sent}\n\nChecked")
    (citation,) = shown.citations
    assert sent[citation.start : citation.end] == "Swifts  fly [1][2]."

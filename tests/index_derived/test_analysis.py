"""What counts as the same word."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.index import analysis
from openbook.index.analysis import STEMMED, analysis_of, matched_words, question_terms


@pytest.mark.parametrize(
    ("language", "text", "terms"),
    [
        ("en", "Joining tables", ["join", "tabl"]),
        ("de", "Die Häuser", ["die", "haus"]),
        ("fr", "Résumé à étudier", ["resum", "a", "etudi"]),
        ("", "Joining tables", ["joining", "tables"]),
        ("xx", "Joining tables", ["joining", "tables"]),
        ("hi", "हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("ru", "таблицы", ["таблиц"]),
    ],
)
def test_words_are_stemmed_in_their_language(language: str, text: str, terms: list[str]) -> None:
    assert analysis_of(language).terms(text) == terms


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("pivot_longer() and read_csv", ["pivot_longer", "read_csv"]),
        ("dplyr::filter or df$x or a->b", ["dplyr::filter", "df$x", "a->b"]),
        ("C++ and C# but not a + b", ["c++", "c#"]),
        ("version 3.11.2", ["3.11.2"]),
        ("settings.toml. Then the end.", ["settings.toml"]),
        ("No names here. None at all: really", []),
    ],
)
def test_names_from_code_are_kept_whole_besides_their_parts(text: str, names: list[str]) -> None:
    terms = analysis_of("").terms(text)
    assert [term for term in terms if not term.isalnum()] == names


@pytest.mark.parametrize("text", ["数据库", "テキスト検索", "데이터베이스", "ฐานข้อมูล"])
@pytest.mark.parametrize("language", ["zh", "ja", "ko", "th", "en", ""])
def test_unspaced_scripts_become_pairs_in_every_language(text: str, language: str) -> None:
    held = analysis_of(language).terms(f"before {text} after")
    assert {text[i : i + 2] for i in range(len(text) - 1)} <= set(held)
    assert set(question_terms(text, [language])) <= set(held)
    assert question_terms(text[0], [language]) == [text[0]]


@pytest.mark.parametrize("text", ["café", "ﬁle", "ＡＢＣ", "résumé"])
def test_ways_of_writing_the_same_characters_are_one(text: str) -> None:
    forms = {
        tuple(analysis_of("en").terms(unicodedata.normalize(form, text))) for form in ("NFC", "NFD", "NFKC")
    }
    assert len(forms) == 1


@pytest.mark.parametrize("language", sorted(STEMMED))
def test_every_language_has_a_stemmer_and_stop_words(language: str) -> None:
    assert analysis_of(language).terms("word 123") != []


def test_a_question_drops_stop_words_unless_nothing_is_left() -> None:
    assert question_terms("How do I join the tables?", ["en"]) == ["join", "tabl"]
    assert question_terms("The Who", ["en"]) == ["the", "who"]
    assert question_terms("?!", ["en"]) == []
    assert question_terms("", ["en"]) == []
    assert question_terms("tables", []) == []


def test_stop_words_of_the_questions_language_are_dropped_for_all_languages() -> None:
    terms = question_terms("What is in the database of Berlin?", ["en", "de"])
    assert set(terms) == {"databas", "berlin"}
    # a German stop word is an English content word
    assert "die" in question_terms("What makes these cells die?", ["en", "de"])


def test_a_term_counts_once_however_often_it_is_asked_for() -> None:
    assert question_terms("table, table and tables", ["en"]) == ["tabl"]


def test_matched_words_are_written_as_in_the_question() -> None:
    text = "Use pivot_longer to lengthen a Table. 数据库很好。"
    assert matched_words("How do Tables get lengthened?", text, "en") == ("Tables", "lengthened")
    assert matched_words("pivot_longer or pivot_wider?", text, "en")[0] == "pivot_longer"
    assert "pivot_wider" not in matched_words("pivot_longer or pivot_wider?", text, "en")
    assert matched_words("数据库在哪里", text, "zh") == ("数据库",)
    assert matched_words("nothing of that kind", text, "en") == ()


def test_data_is_not_a_word() -> None:
    assert analysis_of("en").terms("a" * 100) == []
    assert analysis_of("en").terms("_".join(["ab"] * 40)) == ["ab"] * 40


@given(st.text("ab1_.:$->+# é", max_size=12))
def test_the_quick_look_for_names_from_code_overlooks_none(text: str) -> None:
    letter_and_mark = re.compile(r"[^\W_](?:_|\.[^\W_]|::|\$|->|\+\+|#)", re.ASCII)
    assert bool(analysis._NAME_HINT.search(text)) == bool(letter_and_mark.search(text))

"""Where sentences end and where they do not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from openbook.answer.sentences import sentences, split_sentences


def split(text: str, language: str = "en") -> list[str]:
    return [text[start:end] for start, end in split_sentences(text, language)]


@pytest.mark.parametrize(
    "whole",
    [
        "Dr. Smith met Prof. Jones at St. Mary's.",
        "See Fig. 3 and Eqs. 4 and 5 in vol. 2, pp. 7 ff. for more.",
        "Smith et al. showed it for version 1.2 and later.",
        "It costs 3.50 euros, i.e. more than approx. four dollars.",
        "J. R. R. Tolkien wrote it.",
        "The U.S. Army used it.",
        "He waited ... and then left.",
        "Yahoo! is a company.",
        "Open www.example.com/a.b?c=d. or file.txt.",
        "Use `x. Then y` in code.",
        "“Stop!” he said.",
        "Wait (what? really) for it.",
        "What he said about it ( or her ) is open .",
        "No. 5 is alive.",
    ],
)
def test_no_sentence_ends_inside(whole: str) -> None:
    assert split(whole) == [whole]


@pytest.mark.parametrize(
    "parts",
    [
        ["It works.", "It really does!", "Does it?", "Yes."],
        ["He said “Stop.”", "She went on."],
        ["It was 2019.", "The next year was worse."],
        ["She lives in the U.S.", "He does not."],
        ["We saw apples, pears, etc.", "The rest was gone."],
        ["It ended ...", "Then it began."],
        ["This is vitamin C.", "It is sour."],
        ["A claim.[^1]", "Another claim.[2]", "A third."],
        ["**Bold end.**", "Next one."],
        ["Tokens , then a stop .", "`` Quoted words . ''", "Then more ."],
        ["Что это?", "Это тест.", "Он стоит 5 руб. за штуку."],
    ],
)
def test_sentences_end_where_they_end(parts: list[str]) -> None:
    assert split(" ".join(parts)) == parts


def test_scripts_with_their_own_marks() -> None:
    assert split("これは本です。とても面白い！「はい。」と言った。", "ja") == [
        "これは本です。",
        "とても面白い！",
        "「はい。」",
        "と言った。",
    ]
    assert split("यह एक वाक्य है। यह दूसरा है।", "hi") == ["यह एक वाक्य है।", "यह दूसरा है।"]
    assert split("هل هذا صحيح؟ نعم.", "ar") == ["هل هذا صحيح؟", "نعم."]
    thai = "ประโยคภาษาไทยนี้ยาวมากและไม่มีเครื่องหมายวรรคตอน " * 8
    assert all(len(part) <= 240 for part in split(thai, "th"))


def test_german_ordinals() -> None:
    assert split("Am 3. Oktober war es so. Das blieb.", "de") == ["Am 3. Oktober war es so.", "Das blieb."]


def test_structure_parts_sentences() -> None:
    text = (
        "# A heading\n\nFirst line of prose that goes on and on until it is\nwrapped here. Second one.\n"
        "-   An item. With two.\n-   Another\n    that is wrapped\n\n1. Numbered. Twice.\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n```r\nx <- 1. # not. A sentence.\n\ny\n```\nAfter it.\n"
    )
    found = [(sentence.kind, text[sentence.start : sentence.end]) for sentence in sentences(text)]
    assert found == [
        ("heading", "# A heading"),
        ("prose", "First line of prose that goes on and on until it is\nwrapped here."),
        ("prose", "Second one."),
        ("item", "An item."),
        ("item", "With two."),
        ("item", "Another\n    that is wrapped"),
        ("item", "1. Numbered."),
        ("item", "Twice."),
        ("row", "| a | b |"),
        ("row", "| 1 | 2 |"),
        ("code", "```r\nx <- 1. # not. A sentence.\n\ny\n```"),
        ("prose", "After it."),
    ]


def test_lines_of_data_are_units() -> None:
    assert split("id,name,meal\n1,Sunil,Lunch only\n2,Barclay,Breakfast") == [
        "id,name,meal",
        "1,Sunil,Lunch only",
        "2,Barclay,Breakfast",
    ]
    log = "2024-01-02 12:00 started.\n2024-01-02 12:01 stopped"
    assert split(log) == log.split("\n")
    assert split("Results\nWe found a long and interesting list of things here.")[0] == "Results"


def test_prose_with_numbers_is_no_row() -> None:
    text = "It has 1,234,567 people, 3,000 dogs and 2,000 cats. They live well."
    assert len(split(text)) == 2


def test_a_text_that_begins_inside_a_block_of_code() -> None:
    text = 'x <- 1\nprint("a. B")\n```\n\nProse after it. More of it.\n\n```{r}\ny\n```\n'
    found = [(sentence.kind, text[sentence.start : sentence.end]) for sentence in sentences(text)]
    assert [kind for kind, _ in found] == ["code", "prose", "prose", "code"]


def test_empty_and_blank() -> None:
    assert split_sentences("") == []
    assert split_sentences(" \n\n \t") == []


def test_the_sentences_that_people_marked_in_wikipedia() -> None:
    """Boundaries between marked sentences; some of the marked ones are cells of tables without any mark."""
    data = Path(os.environ.get("OPENBOOK_DATA", Path(__file__).parents[3] / "shared" / "data"))
    path = data / "clapnq" / "answers.jsonl"
    if not path.is_file():
        pytest.skip(f"the evaluation data is not at {data}")
    gold_count = found_count = hit_count = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        marked = [sentence.strip() for sentence in json.loads(line)["sentences"]]
        text = " ".join(marked)
        ends, position = set(), 0
        for sentence in marked[:-1]:
            position = text.index(sentence, position) + len(sentence)
            if sentence.endswith((".", "!", "?", "''")):
                ends.add(position)
        every = {sum(map(len, marked[: i + 1])) + i for i in range(len(marked) - 1)}
        found = {end for _, end in split_sentences(text, "en")} - {len(text)}
        gold_count += len(ends)
        hit_count += len(ends & found)
        found_count += len(found)
        assert len(found - every) <= 5
    assert hit_count / gold_count >= 0.98
    assert hit_count / found_count >= 0.98

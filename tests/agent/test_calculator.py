"""Arithmetic is exact, knows how people write numbers, and does nothing else."""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.answer.calculator import LONGEST, MOST_BITS, calculate
from openbook.errors import UsageError

NUMBERS = st.one_of(
    st.integers(0, 10**12).map(str),
    st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=4).map(lambda n: f"{n:f}"),
    st.integers(1_000, 10**12).map(lambda n: f"{n:,}"),
)
SIGNS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": lambda one, other: Fraction(one // other),
    "%": operator.mod,
}


def expressions(children: st.SearchStrategy[tuple[str, Fraction]]) -> st.SearchStrategy[tuple[str, Fraction]]:
    """Two expressions joined by a sign, each in brackets, with the value that fractions give."""

    def joined(parts: tuple[tuple[str, Fraction], str, tuple[str, Fraction]]) -> tuple[str, Fraction]:
        (one, first), sign, (other, second) = parts
        if sign in ("/", "//", "%") and second == 0:
            sign = "+"
        return f"({one}) {sign} ({other})", SIGNS[sign](first, second)

    return st.tuples(children, st.sampled_from(sorted(SIGNS)), children).map(joined)


LEAVES = NUMBERS.map(lambda text: (text, Fraction(text.replace(",", ""))))


@given(st.recursive(LEAVES, expressions, max_leaves=8).filter(lambda pair: len(pair[0]) <= LONGEST))
def test_agrees_with_fractions(pair: tuple[str, Fraction]) -> None:
    expression, expected = pair
    result = calculate(expression)
    assert result.exact
    assert result.value == expected


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=20))
def test_functions_agree_with_pythons(numbers: list[int]) -> None:
    written = ", ".join(map(str, numbers))
    for name, expected in (("sum", sum(numbers)), ("min", min(numbers)), ("max", max(numbers))):
        assert calculate(f"{name}({written})").value == expected
        assert calculate(f"{name}([{written}])").value == expected
    assert calculate(f"mean({written})").value == Fraction(sum(numbers), len(numbers))


@given(st.integers(-30, 30), st.integers(0, 40), st.integers(-40, 40))
def test_powers_agree_with_fractions(numerator: int, denominator: int, exponent: int) -> None:
    base = Fraction(numerator, denominator or 1)
    if base == 0 and exponent < 0:
        return
    assert calculate(f"({numerator}/{denominator or 1}) ** ({exponent})").value == base**exponent


@given(st.text(max_size=80))
def test_any_text_is_a_number_or_a_clear_refusal(text: str) -> None:
    try:
        result = calculate(text)
    except UsageError:
        return
    assert max(result.value.numerator.bit_length(), result.value.denominator.bit_length()) <= MOST_BITS + 64


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("0.1 + 0.2", "0.3"),
        ("2 + 3 * 4", "14"),
        ("-2 ** 2", "-4"),
        ("2 ^ 10", "1024"),
        ("1,234,567.50 / 2", "617283.75"),
        ("12 × 3 ÷ 4 − 1", "8"),
        ("15% of 80", "12"),
        ("200 * 15%", "30"),
        ("8 / (2)%", "400"),
        ("10 % 3", "1"),
        ("round(2.5)", "3"),
        ("round(-2.345, 2)", "-2.35"),
        ("round(1234, -2)", "1200"),
        ("sqrt(16 / 9)", "≈ 1.33333333333 (exactly 4/3)"),
        ("sqrt(2)", "≈ 1.41421356237"),
        ("8 ** (1/3)", "≈ 2"),
        ("(1 + 3.49% / 12) ** 360", "≈ 2.8447649145"),
        ("1 / 3", "≈ 0.333333333333 (exactly 1/3)"),
        ("1e6 * 1.5", "1500000"),
        ("2 + 2 =", "4"),
        ("MAX(3, 4)", "4"),
        ("10 ** 400", "≈ 1e+400"),
    ],
)
def test_how_people_write(expression: str, text: str) -> None:
    assert calculate(expression).text == text


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("9**9**9", "1,200 digits"),
        ("9**9**9**9**9", "1,200 digits"),
        ("2**-99999999999", "1,200 digits"),
        ("(2**0.3)**99999999", "1,200 digits"),
        ("(" * 190 + "-" * 60 + "1" + ")" * 190, "inside each other"),
        ("-" * 400 + "1", "inside each other"),
        ("1" * 400, "at most 60 digits"),
        ("1e9999", "at most 60 digits"),
        ("1+" * 10_000 + "1", "at most 500"),
        ("(1).__class__", "cannot be calculated with"),
        ("__import__('os')", "cannot be calculated with"),
        ("open(1)", "'open' is not known"),
        ("x + 1", "'x' is not known"),
        ("max", "'max' is not known"),
        ("[1, 2]", "List is not arithmetic"),
        ("1 < 2", "cannot be calculated with"),
        ("sum(*1)", "Starred is not arithmetic"),
        ("5 €", "currencies"),
        ("5 km", "is not an arithmetic expression"),
        ("1,23", "Tuple is not arithmetic"),
        ("max(1,234)", "a space after each comma"),
        ("mean([100,200])", "a space after each comma"),
        ("1/0", "divides by zero"),
        ("1 // (2 - 2)", "divides by zero"),
        ("5 % 0", "divides by zero"),
        ("0 ** -1", "divides by zero"),
        ("sqrt(-1)", "no real number"),
        ("(-8) ** 0.5", "no real number"),
        ("round(1, 0.5)", "whole"),
        ("round(1, 101)", "whole"),
        ("abs(1, 2)", "expected one number"),
        ("min()", "expected numbers"),
        ("", "is not an arithmetic expression"),
        ("\x00", "cannot be calculated with"),
        ("1 if 1 else 2", "IfExp is not arithmetic"),
        ("True + 1", "Constant is not arithmetic"),
    ],
)
def test_what_is_refused_says_why(expression: str, said: str) -> None:
    with pytest.raises(UsageError, match="(?s)" + said.replace("(", r"\(")) as raised:
        calculate(expression)
    assert len(str(raised.value)) < 300


def test_no_expression_makes_a_number_before_its_size_is_known() -> None:
    """9**9**9 alone would be 370 million digits: this would not end within the life of the test."""
    for expression in (
        "9**9**9",
        "(9**300)**(9**300)",
        "2**(10**9)",
        "((7/3)**200)**(2**60)",
        "1e300**1e300",
    ):
        with pytest.raises(UsageError, match="digits"):
            calculate(expression)

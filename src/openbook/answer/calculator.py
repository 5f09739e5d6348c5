"""Arithmetic for an agent: an expression in, an exact number out, and nothing else can happen.

A model that adds prices up in its head is often wrong. What it writes here is
cut into numbers, operators and seven functions before Python's own parser sees
it; the tree may hold only those, and it is calculated in fractions, so that
0.1 + 0.2 is 0.3. Every number is bounded in size before it is made, so that
`9**9**9` is refused at once instead of filling the memory.

Refused: `eval` in any cage, floats, units and currencies (a number with a unit
needs to know what the unit means), and guessing whether `max(1,234)` has one
argument or two.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from fractions import Fraction
from math import isqrt, log10
from typing import Final

from openbook.errors import UsageError

LONGEST: Final = 500
"""Characters of an expression."""
DEEPEST: Final = 50
"""Brackets and signs inside each other."""
MOST_BITS: Final = 4_000
"""Of a numerator or denominator: about 1,200 digits."""
PLACES: Final = 12
"""Significant digits of a result that has no end, or is too long to read."""

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)(?P<power>[eE][+-]?\d{1,4}(?!\d))?"
    r"|(?P<name>[A-Za-z]+)|(?P<sign>\*\*|//|[-+*/%^()\[\],]))"
)
_WRITTEN_SO: Final = str.maketrans({"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "\u00a0": " "})
_AMBIGUOUS: Final = re.compile(r"(?<![\d.])\d{1,3}(?:,\d{3})+(?!\d)")
_PRECISE: Final = Context(prec=50)


@dataclass(frozen=True, slots=True)
class Calculated:
    """A result. `text` is how it is written: exact where it ends within reason, else after "≈".

    `exact` is false where a root or a broken power was taken that is no fraction.
    """

    value: Fraction
    exact: bool
    text: str


def calculate(expression: str) -> Calculated:
    """The value of an arithmetic expression.

    Knows + - * / // % ** (or ^), brackets, `15%` and `15% of 80`, 1,234.5,
    1e6, and min, max, sum, mean, round (halves away from zero), abs and sqrt.
    % between two numbers is the remainder, elsewhere a hundredth. Raises
    UsageError, which says what to write instead, for everything else.
    """
    if len(expression) > LONGEST:
        raise UsageError(
            f"The expression has {len(expression):,} characters; expected at most {LONGEST}. "
            "Calculate in several steps."
        )
    prepared, numbers = _prepared(expression.translate(_WRITTEN_SO).strip().removesuffix("=").rstrip())
    try:
        tree = ast.parse(prepared, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise UsageError(
            f"{_shown(expression)} is not an arithmetic expression. Write one such as (3 + 4.5) * 2."
        ) from error
    value, exact = _Evaluation(numbers).value(tree.body, 0)
    return Calculated(value, exact, _written(value, exact=exact))


# -- reading -------------------------------------------------------------------


def _prepared(expression: str) -> tuple[str, list[Fraction]]:
    """The expression in Python's grammar, each number replaced by the name of its place: `_0 + _1`.

    Numbers never pass through Python's own literals, which are inexact.
    """
    tokens: list[str] = []
    numbers: list[Fraction] = []
    place = 0
    while place < len(expression):
        found = _TOKEN.match(expression, place)
        if found is None:
            raise UsageError(_unknown(expression[place:].strip()))
        place = found.end()
        if found["number"]:
            tokens.append(f"_{len(numbers)}")
            numbers.append(_number(found["number"], found["power"] or ""))
        elif found["name"] and found["name"].lower() == "of" and tokens[-1:] == ["%"]:
            tokens.append("*")
        else:
            tokens.append(found["name"] or found["sign"].replace("^", "**"))
    if "[" in expression or re.search(r"[A-Za-z]\s*\(", expression):
        _refuse_ambiguous(expression)
    return " ".join(_with_percent(tokens)), numbers


def _number(digits: str, power: str) -> Fraction:
    exponent = int(power[1:]) if power else 0
    if len(digits) > 60 or abs(exponent) > 300:
        raise UsageError(f"The number {_shown(digits + power)} is too long; expected at most 60 digits.")
    return Fraction(digits.replace(",", "").rstrip(".")) * Fraction(10) ** exponent


def _refuse_ambiguous(expression: str) -> None:
    """In a list of arguments, 1,234 may be one number or two."""
    depth = 0
    for place, character in enumerate(expression):
        opens_call = character == "(" and re.search(r"[A-Za-z]\s*$", expression[:place])
        if opens_call or character == "[" or (depth and character == "("):
            depth += 1
        elif depth and character in ")]":
            depth -= 1
        elif depth and (found := _AMBIGUOUS.match(expression, place)):
            raise UsageError(
                f"{found.group()!r} among arguments may be one number or several. Write numbers without "
                "separators of thousands, and a space after each comma: max(1234, 500)."
            )


def _with_percent(tokens: Sequence[str]) -> list[str]:
    """The same with `x %` that no operand follows, a hundredth of x, as `( x / 100 )`."""
    written: list[str] = []
    for index, token in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else ""
        is_remainder = following[:1].isalpha() or following.startswith(("_", "(", "["))
        if token != "%" or is_remainder or not written:
            written.append(token)
            continue
        start = _start_of_operand(written)
        written[start:] = ["(", *written[start:], "/", "100", ")"]
    return written


def _start_of_operand(tokens: Sequence[str]) -> int:
    """Where the number, bracket or call that ends the tokens begins."""
    place, depth = len(tokens), 0
    while place > 0:
        place -= 1
        depth += (tokens[place] == ")") - (tokens[place] == "(")
        if depth <= 0:
            break
    if place > 0 and tokens[place] == "(" and tokens[place - 1].isalpha():
        place -= 1
    return place


def _unknown(rest: str) -> str:
    if rest[:1] in "$€£¥₹":
        return f"{rest[:1]!r} is not arithmetic. Leave currencies and units out and write numbers alone."
    return (
        f"{_shown(rest)} cannot be calculated with. Expected numbers, + - * / // % ** ( ) and "
        f"{', '.join(_NAMES)}."
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")


# -- calculating ---------------------------------------------------------------


class _Evaluation:
    """Walks a parsed expression. `numbers` are the values of the names _0, _1 …"""

    def __init__(self, numbers: Sequence[Fraction]) -> None:
        self._numbers = numbers

    def value(self, node: ast.expr, depth: int) -> tuple[Fraction, bool]:
        """The value of a node, and whether it is exact."""
        if depth > DEEPEST:
            raise UsageError(f"More than {DEEPEST} brackets or signs inside each other. Calculate in steps.")
        match node:
            case ast.Name(id=name) if name.startswith("_"):
                return self._numbers[int(name[1:])], True
            case ast.Constant(value=100):  # the one literal that is written here: a per cent
                return Fraction(100), True
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                value, exact = self.value(operand, depth + 1)
                return (-value if isinstance(node.op, ast.USub) else value), exact
            case ast.BinOp(left=left, op=operator, right=right):
                (one, first), (other, second) = self.value(left, depth + 1), self.value(right, depth + 1)
                result, exact = _combined(operator, one, other)
                return _bounded(result), exact and first and second
            case ast.Call(func=ast.Name(id=name), args=arguments) if name.lower() in _NAMES:
                values = [self.value(item, depth + 1) for item in _flat(arguments)]
                result, exact = _called(name.lower(), [value for value, _ in values])
                return _bounded(result), exact and all(known for _, known in values)
            case ast.Call(func=ast.Name(id=name)) | ast.Name(id=name):
                raise UsageError(
                    f"{_shown(name)} is not known here. Functions: {', '.join(_NAMES)}; no names, no units."
                )
            case _:
                raise UsageError(
                    f"{type(node).__name__} is not arithmetic. Write numbers, + - * / // % ** and brackets."
                )


def _flat(arguments: Sequence[ast.expr]) -> Sequence[ast.expr]:
    """`sum([1, 2])` is `sum(1, 2)`."""
    if len(arguments) == 1 and isinstance(arguments[0], ast.List | ast.Tuple):
        return arguments[0].elts
    return arguments


def _combined(operator: ast.operator, one: Fraction, other: Fraction) -> tuple[Fraction, bool]:
    if isinstance(operator, ast.Pow):
        return _power(one, other)
    if isinstance(operator, ast.Div | ast.FloorDiv | ast.Mod) and other == 0:
        raise UsageError("The expression divides by zero.")
    match operator:
        case ast.Add():
            return one + other, True
        case ast.Sub():
            return one - other, True
        case ast.Mult():
            return one * other, True
        case ast.Div():
            return one / other, True
        case ast.FloorDiv():
            return Fraction(one // other), True
        case ast.Mod():
            return one % other, True
        case _:
            raise UsageError(f"The operator {type(operator).__name__} is not known. Use + - * / // % **.")


def _power(base: Fraction, exponent: Fraction) -> tuple[Fraction, bool]:
    """base ** exponent, its size judged before it is calculated."""
    if base == 0 and exponent < 0:
        raise UsageError("The expression divides by zero: 0 to a negative power.")
    if exponent.denominator == 1:
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if bits * abs(exponent.numerator) <= MOST_BITS:
            return base ** int(exponent), True
    elif base < 0:
        raise UsageError(f"{_written(base, exact=True)} to a broken power is no real number.")
    elif exponent == Fraction(1, 2):
        return _square_root(base)
    if abs(base) in (0, 1):
        return base if exponent.numerator % 2 else abs(base), True
    # 1.0029 ** 360 is no large number, but a long fraction: fifty digits of it will do.
    if exponent.numerator.bit_length() > 60 or exponent.denominator.bit_length() > 300:
        raise _too_large()
    logarithm = log10(abs(base.numerator)) - log10(base.denominator)
    if abs(logarithm * float(exponent)) > 300:
        raise _too_large()
    with localcontext(_PRECISE):
        return Fraction(_decimal(base) ** _decimal(exponent)), False


def _square_root(value: Fraction) -> tuple[Fraction, bool]:
    if value < 0:
        raise UsageError(f"The square root of {_written(value, exact=True)} is no real number.")
    above, below = isqrt(value.numerator), isqrt(value.denominator)
    if above * above == value.numerator and below * below == value.denominator:
        return Fraction(above, below), True
    with localcontext(_PRECISE):
        return Fraction(_decimal(value).sqrt()), False


def _called(name: str, values: Sequence[Fraction]) -> tuple[Fraction, bool]:
    least, most = (1, 1) if name in ("abs", "sqrt") else (1, 2 if name == "round" else LONGEST)
    if not least <= len(values) <= most:
        expected = "one number" if most == 1 else "a number, and how many places" if most == 2 else "numbers"
        raise UsageError(f"{name} was given {len(values)} numbers; expected {expected}.")
    if name == "sqrt":
        return _square_root(values[0])
    return _FUNCTIONS[name](values), True


def _rounded(values: Sequence[Fraction]) -> Fraction:
    places = values[1] if len(values) == 2 else Fraction(0)
    if places.denominator != 1 or abs(places) > 100:
        raise UsageError(f"round was given {places} as the number of places; expected -100 to 100, whole.")
    scale = Fraction(10) ** int(places)
    whole = (abs(values[0]) * scale + Fraction(1, 2)) // 1
    return Fraction(whole) / scale * (-1 if values[0] < 0 else 1)


_FUNCTIONS: Final[dict[str, Callable[[Sequence[Fraction]], Fraction]]] = {
    "min": min,
    "max": max,
    "sum": lambda values: sum(values, Fraction(0)),
    "mean": lambda values: sum(values, Fraction(0)) / len(values),
    "round": _rounded,
    "abs": lambda values: abs(values[0]),
}
_NAMES: Final = (*_FUNCTIONS, "sqrt")


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MOST_BITS + 64:
        raise _too_large()
    return value


def _too_large() -> UsageError:
    return UsageError("The result would have more than 1,200 digits. Expected smaller numbers or powers.")


# -- writing -------------------------------------------------------------------


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def _written(value: Fraction, *, exact: bool) -> str:
    """All digits where there are few, else "≈" and the first ones, with the fraction if it is short."""
    with localcontext(_PRECISE):
        decimal = _decimal(value)
        if exact and Fraction(decimal) == value and len(decimal.as_tuple().digits) <= 30:
            return _plain(decimal)
        with localcontext(Context(prec=PLACES, rounding=ROUND_HALF_UP)):
            short = _plain(_decimal(value))
    fraction = f"{value.numerator}/{value.denominator}"
    return f"≈ {short} (exactly {fraction})" if exact and len(fraction) <= 20 else f"≈ {short}"


def _plain(decimal: Decimal) -> str:
    """Without an exponent, unless that would take many zeros."""
    decimal = decimal.normalize()
    return f"{decimal:f}" if -20 <= decimal.adjusted() <= 30 else f"{decimal:e}"

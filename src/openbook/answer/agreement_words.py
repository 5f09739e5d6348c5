"""Words that carry a number, a month, a unit, a negation or an opposite.

Kept apart from the code that uses them because they are data: a language gains
a line here and nothing else changes. Lower case throughout.

Refused: a full list of opposites. A few pairs that turn a statement round and
are often confused are enough; a dictionary of them would mostly find pairs
that do not contradict each other.
"""

from __future__ import annotations

from typing import Final


def _words(spaced: str) -> frozenset[str]:
    return frozenset(spaced.split())


def _counted(spaced: str, first: int) -> dict[str, int]:
    return {word: number for number, word in enumerate(spaced.split(), first)}


CARDINALS: Final = _counted(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen twenty",
    0,
)
TENS: Final = {word: 10 * number for word, number in _counted(
    "twenty thirty forty fifty sixty seventy eighty ninety", 2).items()}  # fmt: skip
ORDINALS: Final = _counted(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth"
    " fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth",
    1,
)
SCALES: Final = {
    "hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "mn": 10**6, "bn": 10**9, "millionen": 10**6, "milliarden": 10**9, "millions": 10**6,
    "milliards": 10**9, "millones": 10**6, "milioni": 10**6, "miljoen": 10**6,
}  # fmt: skip
ABOUT: Final = _words(
    "about around approximately roughly nearly almost circa some over under approx etwa rund ungefähr"
    " environ presque unos cerca circa ongeveer"
)
"""A number behind one of these may be rounded."""

MONTHS: Final = {
    word: number
    for names in (
        "january february march april may june july august september october november december",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    )
    for word, number in _counted(names, 1).items()
} | {"sept": 9}
MONTHS_AND_WORDS: Final = _words("march may mar mars jan mai")
"""Months only where they begin with a capital letter."""

_UNITS: Final = (
    "length: km kilometre kilometres kilometer kilometers kilometern",
    "length: m metre metres meter meters metern",
    "length: cm centimetre centimetres centimeter centimeters zentimeter",
    "length: mm millimetre millimetres millimeter millimeters",
    "length: mile miles mi meilen",
    "length: ft foot feet",
    "length: inch inches",
    "length: yard yards yd",
    "area: hectare hectares ha",
    "area: acre acres",
    "mass: kg kilogram kilograms kilogramm",
    "mass: g gram grams gramm",
    "mass: mg milligram milligrams",
    "mass: lb lbs pound pounds",
    "mass: oz ounce ounces",
    "mass: tonne tonnes ton tons tonnen",
    "volume: l litre litres liter liters",
    "volume: ml millilitre millilitres milliliter milliliters",
    "volume: gallon gallons",
    "time: ms millisecond milliseconds millisekunden",
    "time: s sec secs second seconds sekunden sekunde",
    "time: min mins minute minutes minuten",
    "time: h hr hrs hour hours stunde stunden",
    "time: day days tag tage",
    "time: week weeks woche wochen",
    "time: month months monat monate",
    "time: year years yr yrs jahr jahre",
    "time: decade decades",
    "time: century centuries",
    "data: b byte bytes",
    "data: kb kilobyte kilobytes kib",
    "data: mb megabyte megabytes mib",
    "data: gb gigabyte gigabytes gib",
    "data: tb terabyte terabytes tib",
    "share: % percent pct prozent",
    "temperature: °c celsius",
    "temperature: °f fahrenheit",
    "temperature: kelvin",
    "money: $ usd dollar dollars",
    "money: € eur euro euros",
    "money: £ gbp",
    "money: ¥ yen jpy",
    "power: w watt watts",
    "power: kw kilowatt kilowatts",
    "power: mw megawatt megawatts",
    "voltage: v volt volts",
    "frequency: hz hertz",
    "frequency: khz",
    "frequency: mhz",
    "frequency: ghz",
)
UNITS: Final = {
    word: line.split(": ")[1].split()[0] for line in _UNITS for word in line.split(": ")[1].split()
}
"""Unit as written → the unit's one name."""

NEGATIONS: Final = _words(
    "not n't no never none neither nor nobody nothing nowhere cannot without hardly scarcely"
    " nicht kein keine keinen keinem keiner keines nie niemals ohne weder"
    " ne pas jamais aucun aucune sans nunca ningún ninguna sin non mai nessun nessuna senza"
    " niet geen nooit zonder não nem sem не нет никогда без"
)
NEGATING_PREFIXES: Final = ("un", "in", "im", "il", "ir", "non", "dis", "a")

OPPOSITES: Final = frozenset(
    frozenset(pair.split("/"))
    for pair in (
        "increase/decrease increases/decreases increased/decreased increasing/decreasing rise/fall"
        " rises/falls rose/fell more/less more/fewer most/least higher/lower highest/lowest high/low"
        " larger/smaller largest/smallest large/small big/small longer/shorter longest/shortest long/short"
        " faster/slower fast/slow older/younger oldest/youngest oldest/newest before/after above/below"
        " over/under maximum/minimum max/min always/never all/none true/false left/right up/down"
        " inside/outside internal/external north/south northern/southern east/west eastern/western"
        " northeast/southwest southeast/northwest first/last begin/end begins/ends began/ended start/stop"
        " starts/stops started/stopped open/closed include/exclude includes/excludes included/excluded"
        " including/excluding accept/reject accepts/rejects accepted/rejected allow/forbid allows/forbids"
        " allowed/forbidden enable/disable enables/disables enabled/disabled won/lost win/lose wins/loses"
        " male/female men/women man/woman father/mother son/daughter brother/sister he/she his/her"
        " positive/negative early/late earlier/later ascending/descending with/without add/remove"
        " adds/removes added/removed cause/prevent causes/prevents caused/prevented hot/cold legal/illegal"
        " public/private upper/lower input/output rows/columns row/column read/write"
    ).split()
)

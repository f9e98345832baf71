"""Built-in data: dates as people write them in many languages, and the same dates in ISO 8601.

The written forms come from the Unicode CLDR through Babel. Every source has one target, by `RULE`.
"""

from __future__ import annotations

import random
from datetime import date
from functools import cache
from typing import Literal, get_args

from babel import Locale
from babel.dates import DateTimePattern, get_date_format

LOCALES = (
    "ar", "de", "en_GB", "en_US", "es", "fr", "hi", "it", "ja", "ko", "nl", "pl", "pt", "ru", "sv", "tr", "vi", "zh",
)  # fmt: skip
"""Locales of the dates, as Babel names them."""
Form = Literal["full", "long", "medium", "short"]
Case = Literal["as is", "upper", "lower"]
FORMATS: tuple[Form, ...] = get_args(Form)
"""Lengths of the CLDR formats."""
CASES: tuple[Case, ...] = get_args(Case)
"""What is done to the letters of a date."""
FIRST_YEAR, LAST_YEAR = 1950, 2049
RULE = (
    "years are 1950 to 2049, also when written with two digits; a date in digits only is read year-month-day "
    "when it begins with the year, and else day-month-year, unless its second number is above 12: then it is "
    "month-day-year (3/4/05 is 3 April 2005, 3/14/05 is 14 March 2005)"
)
"""How an ambiguous source is read."""

_FIRST_DAY = date(FIRST_YEAR, 1, 1).toordinal()
_LAST_DAY = date(LAST_YEAR, 12, 31).toordinal()
MOST_PAIRS = 1_000_000
"""Most pairs that can be asked for; there are more than three million distinct sources."""


def date_pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """`count` dates as (source, target), no source twice, a pure function of the arguments.

    The source is a day of 1950-2049 as one of `LOCALES` writes it, in one of `FORMATS` and `CASES`, all
    equally likely, with the digits and invisible marks that Babel gives. The target is that day as
    `YYYY-MM-DD`. A source that could mean two days is read by `RULE`, so it has one target: of the forms
    used, only the short one of en_US puts the month first, and it is read day first where that is a date.
    """
    assert 0 <= count <= MOST_PAIRS, f"count must be 0 to {MOST_PAIRS}, but it is {count}"
    random_ = random.Random(seed)
    pairs: dict[str, str] = {}
    while len(pairs) < count:
        day = date.fromordinal(random_.randint(_FIRST_DAY, _LAST_DAY))
        locale, form, case = random_.choice(LOCALES), random_.choice(FORMATS), random_.choice(CASES)
        source, target = write_date(day, locale, form, case)
        pairs[source] = target
    return list(pairs.items())


def split_dates(count: int, dev_count: int, seed: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """`count` training pairs and `dev_count` held-out pairs that share no source."""
    pairs = date_pairs(count + dev_count, seed)
    return pairs[:count], pairs[count:]


def write_date(day: date, locale: str, form: Form, case: Case = "as is") -> tuple[str, str]:
    """One pair: `day` as `locale` writes it, and what that text means by `RULE` in ISO 8601."""
    pattern, parsed, month_first = _pattern(locale, form)
    source = pattern.apply(day, parsed)
    if month_first and day.day <= 12:
        day = day.replace(month=day.day, day=day.month)
    if case == "upper":
        source = source.upper()
    elif case == "lower":
        source = source.lower()
    return source, day.isoformat()


@cache
def _pattern(locale: str, form: Form) -> tuple[DateTimePattern, Locale, bool]:
    """A format, its locale, and whether it writes digits only, month before day before year."""
    parsed = Locale.parse(locale)
    pattern = get_date_format(form, locale=parsed)
    fields = [letter for letter in dict.fromkeys(pattern.pattern) if letter in "dMy"]
    return pattern, parsed, fields == ["M", "d", "y"] and "MMM" not in pattern.pattern

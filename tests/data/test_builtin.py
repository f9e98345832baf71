from __future__ import annotations

import re
import unicodedata
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqweave.data.builtin import CASES, FORMATS, LOCALES, RULE, Case, Form, date_pairs, split_dates, write_date

DAYS = st.dates(date(1950, 1, 1), date(2049, 12, 31))


def _by_rule(source: str) -> str | None:
    """An independent reading of dates in digits only, straight from the words of RULE."""
    plain = "".join(sign for sign in source if unicodedata.category(sign) != "Cf")
    if re.search(r"[^\d\s./-]", plain):
        return None
    first, second, third = re.findall(r"\d+", plain)
    year_first = len(first) == 4 or re.match(r"\d\d\. ", plain)
    if year_first:
        year, month, day = first, second, third
    elif int(second) > 12:
        month, day, year = first, second, third
    else:
        day, month, year = first, second, third
    number = int(year)
    if len(year) == 2:
        number += 1900 if number >= 50 else 2000
    return f"{number:04}-{int(month):02}-{int(day):02}"


def test_a_seed_gives_one_list_and_another_seed_another() -> None:
    assert date_pairs(300, 7) == date_pairs(300, 7)
    assert date_pairs(300, 7) != date_pairs(300, 8)


def test_more_pairs_begin_with_fewer() -> None:
    assert date_pairs(500, 3)[:100] == date_pairs(100, 3)


def test_sources_are_distinct_and_targets_are_days_of_the_years() -> None:
    pairs = date_pairs(5000, 1)
    assert len({source for source, _ in pairs}) == 5000
    assert all(1950 <= date.fromisoformat(target).year <= 2049 and len(target) == 10 for _, target in pairs)


def test_the_halves_of_a_split_share_no_source() -> None:
    train, dev = split_dates(2000, 300, 1)
    assert (len(train), len(dev)) == (2000, 300)
    assert not {source for source, _ in train} & {source for source, _ in dev}


def test_at_least_15_locales_with_the_required_ones() -> None:
    assert len(LOCALES) >= 15
    assert {"ko", "en_US", "en_GB", "fr", "de", "es", "ja", "zh", "ru", "ar"} <= set(LOCALES)


@pytest.mark.parametrize(
    ("locale", "form", "case", "day", "source", "target"),
    [
        ("en_US", "short", "as is", date(2005, 3, 4), "3/4/05", "2005-04-03"),
        ("en_US", "short", "as is", date(2005, 3, 14), "3/14/05", "2005-03-14"),
        ("en_US", "medium", "as is", date(2005, 3, 4), "Mar 4, 2005", "2005-03-04"),
        ("es", "short", "as is", date(2005, 3, 4), "4/3/05", "2005-03-04"),
        ("hi", "short", "as is", date(1950, 12, 31), "31/12/50", "1950-12-31"),
        ("de", "full", "upper", date(2005, 3, 4), "FREITAG, 4. MÄRZ 2005", "2005-03-04"),
        ("ko", "long", "lower", date(2005, 3, 4), "2005년 3월 4일", "2005-03-04"),
    ],
)
def test_known_dates(locale: str, form: Form, case: Case, day: date, source: str, target: str) -> None:
    assert write_date(day, locale, form, case) == (source, target)


@given(DAYS, st.sampled_from(LOCALES), st.sampled_from(FORMATS), st.sampled_from(CASES))
def test_dates_in_digits_are_read_by_the_stated_rule(day: date, locale: str, form: Form, case: Case) -> None:
    source, target = write_date(day, locale, form, case)
    assert _by_rule(source) in (None, target)


@given(DAYS, st.sampled_from(LOCALES), st.sampled_from(FORMATS), st.sampled_from(CASES))
def test_only_the_month_first_form_is_ever_read_as_another_day(day: date, locale: str, form: Form, case: Case) -> None:
    _, target = write_date(day, locale, form, case)
    if (locale, form) != ("en_US", "short") or day.day > 12:
        assert target == day.isoformat()


@pytest.mark.slow
def test_no_source_has_two_targets() -> None:
    targets: dict[str, str] = {}
    # The days of a leap year and of two others, in both centuries, in every way to write it.
    days = [date.fromordinal(date(year, 1, 1).toordinal() + n) for year in (1950, 2004, 2005) for n in range(365)]
    for day in days:
        for locale in LOCALES:
            for form in FORMATS:
                source, target = write_date(day, locale, form)
                assert targets.setdefault(source, target) == target, source


def test_the_rule_says_its_own_examples() -> None:
    assert "3/4/05 is 3 April 2005" in RULE
    assert _by_rule("3/4/05") == "2005-04-03"
    assert _by_rule("3/14/05") == "2005-03-14"

"""Cells that may not mean what they say: words and codes for what is not known, one category spelt in two ways."""

import os
import re
import unicodedata
from collections.abc import Iterator

import pandas as pd

from mtseg.data.checks.notes import first_few
from mtseg.errors import Problem

FARTHEST = 5
"""Robust standard deviations from the median beyond which a number is doubted. Of 1000 simulated samples of 400 normal
numbers, one had such a number."""
_FEW = 0.25
"""Share of negative numbers from which on they are meant, as in a column from which the mean was taken."""
_TO_SD = 1.4826
"""Standard deviation of normal numbers by their median deviation."""
_UNKNOWN = re.compile(
    r"[\W_]*(n\.? ?a\.?|n/a|nan|null|n\. ?d\.?|k\. ?a\.?|keine angabe|unk|unknown|unbekannt|not known|not available|"
    r"missing|fehlt|fehlend)?[\W_]*|-9(\.0+)?|-?9{2,}(\.0+)?"
)
"""Whole cells, in small letters; signs alone are some, such as "-" and "?"."""


def category_problems(column: pd.Series, path: str | os.PathLike) -> Iterator[Problem]:
    """List what may be no category of its own: words for what is not known, and other spellings of one category.

    Args:
        column: Names of categories; the index are subjects.
        path: The table that it is of.
    """
    cells = column.dropna().astype(str)
    spelt = cells.map(lambda cell: " ".join(unicodedata.normalize("NFKC", cell).casefold().split()))
    spelt = spelt.str.replace(r"^([-+]?\d+)\.0+$", r"\1", regex=True)  # as other programs write whole numbers
    unknown = spelt.map(lambda cell: _UNKNOWN.fullmatch(cell) is not None).astype(bool)
    where = f"{path}, {column.name}"
    if unknown.any():
        words = [f"'{word}' ({first_few([*map(str, of.index)])})" for word, of in cells[unknown].groupby(cells)]
        remedy = "Empty these cells if it is not known; if a category is meant, give it another name"
        yield Problem("", where, f"{', '.join(words)} would be compared as categories", remedy)
    for _, same in cells[~unknown].groupby(spelt):
        counts = same.value_counts().sort_index()
        if len(counts) > 1:
            spellings = " and ".join(f"'{name}' ({n})" for name, n in counts.items())
            what = f"{spellings} differ in capitals, spaces, a .0 or accents' encoding only"
            yield Problem("", where, what, "Spell a category in one way")


def stray_negatives(numbers: pd.Series) -> pd.Series:
    """Those numbers that are negative in a column of which most are not, such as -9 among ages."""
    negative = numbers.lt(0)
    return numbers[negative & (negative.sum() < _FEW * numbers.notna().sum())]


def doubtful_numbers(numbers: pd.Series) -> pd.Series:
    """Those numbers that lie far from the others, such as 999 among ages, or are negative where most are not.

    Far is by the median of the deviations from the median. Those that are 0 do not count, so that a column of which
    more than half is one number has a spread too.
    """
    away = (numbers - numbers.median()).abs()
    far = numbers[away > FARTHEST * _TO_SD * away[away > 0].median()]
    return numbers.loc[numbers.index.isin(far.index.union(stray_negatives(numbers).index))]

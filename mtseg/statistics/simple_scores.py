"""Is the network better than a number one could have had without it?"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mtseg.statistics.answers import Answers, answers
from mtseg.statistics.corrections import holm
from mtseg.statistics.delong import AucComparison, compare_auc
from mtseg.tasks import Head, Kind, Structures

_COLUMNS = [
    *("head", "positive_class", "score", "direction"),
    *(f"{name}{end}" for name in ("network_auc", "auc", "difference") for end in ("", "_low", "_high")),
    *("p", "p_holm", "n", "n_missing"),
]


def simple_scores_table(
    cases: pd.DataFrame,
    *,
    structures: Structures,
    heads: Sequence[Head],
    columns: Sequence[str] = (),
    lower: Collection[str] = (),
) -> pd.DataFrame:
    """Set the network's AUC beside that of simple scores, on the same subjects (paired DeLong test).

    The simple scores are the predicted volume of each structure and the columns that the user names. The direction
    of a score is stated before looking: a high value speaks for the positive class unless the score is in `lower`.
    It is never turned round to make the AUC larger, so an AUC below .5 says that the stated direction is wrong here.

    Args:
        cases: The table of cases, with the named columns merged in.
        structures: Names of the mask's structures.
        heads: Those with two classes are compared.
        columns: Numeric columns of `cases`, such as age.
        lower: Columns or volumes (`volume_mm3_<structure>`) of which a low value speaks for the positive class.

    Returns:
        One row per head and score: head, positive_class, score, direction, auc, auc_low, auc_high, network_auc,
        network_auc_low, network_auc_high, difference (network - score), difference_low, difference_high, p, p_holm
        (corrected over all rows), n (with target, network's answer and score), n_missing. NaN where a class has fewer
        than two subjects.
    """
    scores = [*(f"volume_mm3_{name}" for name in structures.names), *columns]
    rows = [
        row
        for head in heads
        if head.kind is Kind.CLASSES and len(head.classes) == 2
        for row in _compare(cases, head=head, scores=scores, lower=lower)
    ]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    return table.assign(p_holm=holm(table["p"].to_numpy()))


def _compare(
    cases: pd.DataFrame, *, head: Head, scores: Sequence[str], lower: Collection[str]
) -> Iterator[dict[str, Any]]:
    found = answers(cases, head)
    values = cases[list(scores)].iloc[found.subjects].astype(float)
    for row in compare_with_network(found, values, head=head, index=1, lower=lower):
        yield row | {"n_missing": len(cases) - row["n"]}


def compare_with_network(
    found: Answers, scores: pd.DataFrame, *, head: Head, index: int, lower: Collection[str]
) -> Iterator[dict[str, Any]]:
    """Compare the AUC of each score with the network's, on the subjects that have it.

    Args:
        found: What the head said.
        scores: One column per score, one row per subject of `found`; NaN where a subject has none.
        head: The question.
        index: Of the class, against the rest, or of the label.
        lower: Scores of which a low value speaks for it.

    Yields:
        Rows of `simple_scores_table`, without p_holm and n_missing.
    """
    (target, network), name = found.against_rest(index), head.classes[index]
    for score in scores:
        value, sign = scores[score].to_numpy(), -1 if score in lower else 1
        known = ~np.isnan(value)
        yield {
            "head": head.name,
            "positive_class": name,
            "score": score,
            "direction": f"{'lower' if score in lower else 'higher'} = more {name}",
            **_columns(target[known], network[known], sign * value[known]),
            "n": int(known.sum()),
        }


def _columns(target: np.ndarray, network: np.ndarray, simple: np.ndarray) -> dict[str, float]:
    names = ("network_auc", "auc", "difference")
    if min(target.sum(), (~target).sum()) < 2:
        return dict.fromkeys([*(f"{name}{end}" for name in names for end in ("", "_low", "_high")), "p"], np.nan)
    found: AucComparison = compare_auc(target, network, simple)
    parts = zip(names, (found.a, found.b, found.difference), strict=True)
    return {
        **{k: v for name, e in parts for k, v in ((name, e.value), (f"{name}_low", e.low), (f"{name}_high", e.high))},
        "p": found.p,
    }

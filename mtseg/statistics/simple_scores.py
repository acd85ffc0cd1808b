"""Is the network better than a number one could have had without it?"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mtseg.statistics.answers import answers
from mtseg.statistics.delong import AucComparison, compare_auc
from mtseg.tasks import Head, Kind, Structures


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
        network_auc_low, network_auc_high, difference (network - score), difference_low, difference_high, p, n (with
        target, network's answer and score), n_missing. NaN where a class has fewer than two subjects.
    """
    scores = [*(f"volume_mm3_{name}" for name in structures.names), *columns]
    rows = [
        row
        for head in heads
        if head.kind is Kind.CLASSES and len(head.classes) == 2
        for row in _compare(cases, head=head, scores=scores, lower=lower)
    ]
    return pd.DataFrame(rows)


def _compare(
    cases: pd.DataFrame, *, head: Head, scores: Sequence[str], lower: Collection[str]
) -> Iterator[dict[str, Any]]:
    found = answers(cases, head)
    target, probability = found.against_rest(1)
    for name in scores:
        value = cases[name].to_numpy(dtype=float)[found.subjects]
        compared = compare_with_network(target, probability, value, lower=name in lower)
        yield {
            "head": head.name,
            "positive_class": head.classes[1],
            "score": name,
            "direction": f"{'lower' if name in lower else 'higher'} = more {head.classes[1]}",
            **compared,
            "n_missing": len(cases) - compared["n"],
        }


def compare_with_network(target: np.ndarray, network: np.ndarray, score: np.ndarray, *, lower: bool) -> dict[str, Any]:
    """Compare a score's AUC with the network's on the subjects that have the score.

    Args:
        target: Whether each subject is positive, (n,).
        network: Its probability, (n,).
        score: (n,), NaN where a subject has none.
        lower: Whether a low score speaks for the positive class.

    Returns:
        The numbers of a row of `simple_scores_table`, without n_missing.
    """
    known, sign = ~np.isnan(score), -1 if lower else 1
    return _columns(target[known], network[known], sign * score[known]) | {"n": int(known.sum())}


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

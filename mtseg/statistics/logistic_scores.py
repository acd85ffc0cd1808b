"""What the network knows beyond simple scores: logistic regression on them, with and without the network."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mtseg.keys import Column
from mtseg.statistics.answers import answers
from mtseg.statistics.cross_fitted import cross_fitted_scores
from mtseg.statistics.simple_scores import compare_with_network
from mtseg.statistics.temperature import log_odds
from mtseg.tasks import Head, Kind, Structures

ALL_SCORES, WITH_NETWORK = "logistic regression on all of them", "logistic regression on them and the network"

_NETWORK = "log-odds of the network"


def logistic_scores_table(
    cases: pd.DataFrame,
    *,
    structures: Structures,
    heads: Sequence[Head],
    columns: Sequence[str] = (),
    lower: Collection[str] = (),
) -> pd.DataFrame:
    """Set a network's AUC beside those of simple scores, of all of them together, and of them and the network.

    As `simple_scores_table`, but for every class against the rest and every label, pooled across folds. The two
    regressions are fitted without the fold that they answer for (see `cross_fitted_scores`); a class that some training
    folds lack has none.

    Args:
        cases: One row per subject, with `fold` and the named columns.
        structures: Names of the masks' structures; their predicted volumes are scores.
        heads: Numbers are left out.
        columns: Numeric columns of `cases`, such as age.
        lower: Columns or volumes of which a low value speaks for the class.

    Returns:
        The columns of `simple_scores_table` but p_holm: of several variants p is corrected over all of them. The
        difference is network - score.
    """
    volumes = [f"volume_mm3_{name}" for name in structures.names if cases[f"volume_mm3_{name}"].notna().any()]
    scores = [*volumes, *(name for name in columns if cases[name].notna().any())]
    return pd.DataFrame([row for head in heads for row in _rows(cases, head, scores=scores, lower=lower)])


def _rows(cases: pd.DataFrame, head: Head, *, scores: list[str], lower: Collection[str]) -> Iterator[dict[str, Any]]:
    if head.kind is Kind.NUMBER or not scores:
        return
    found = answers(cases, head)
    if not len(found.subjects):
        return
    table = cases.iloc[found.subjects][[*scores, Column.FOLD.value]].astype(float)
    for c in range(len(head.classes)):
        if head.kind is Kind.CLASSES and len(head.classes) == 2 and c == 0:
            continue  # the mirror image of the positive class
        target, probability = found.against_rest(c)
        both = table.assign(**{_NETWORK: log_odds(probability)})
        if all(len(np.unique(target[table[Column.FOLD] != k])) == 2 for k in table[Column.FOLD].unique()):
            folds = table[Column.FOLD].tolist()
            both[ALL_SCORES] = cross_fitted_scores(both, target.tolist(), columns=scores, folds=folds)
            both[WITH_NETWORK] = cross_fitted_scores(both, target.tolist(), columns=[*scores, _NETWORK], folds=folds)
        compared = both[[*scores, *(score for score in (ALL_SCORES, WITH_NETWORK) if score in both)]]
        for row in compare_with_network(found, compared, head=head, index=c, lower=lower):
            yield row | {"n_missing": len(cases) - row["n"]}

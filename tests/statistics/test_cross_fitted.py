"""Out-of-fold scores: what a plain loop gives, and no leak."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from mtseg.errors import InputError
from mtseg.statistics import compare_auc, cross_fitted_scores

N = 45
FOLDS = np.arange(N) % 3
COLUMNS = ["volume_mm3", "age", "logit"]


def cohort(seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.random(N) < 0.4
    values = {
        "volume_mm3": rng.gamma(2, 9e3, N),
        "age": rng.normal(50, 9, N),
        "logit": 2 * target + rng.normal(0, 1, N),
    }
    return pd.DataFrame(values, [f"s{i}" for i in range(N)]), target


def scores(table: pd.DataFrame, target: np.ndarray, columns=COLUMNS, folds=FOLDS) -> pd.Series:
    return cross_fitted_scores(table, target, columns=columns, folds=folds)


def test_equals_a_plain_loop():
    table, target = cohort()
    table.iloc[::5, 0] = np.nan
    found = scores(table, target)
    for k in range(3):
        held_out = k == FOLDS
        x = table[COLUMNS].fillna(table[COLUMNS][~held_out].median()).assign(unknown=table["volume_mm3"].isna())
        x = (x - x[~held_out].mean()) / x[~held_out].std(ddof=0)
        model = LogisticRegression(class_weight="balanced").fit(x[~held_out], target[~held_out])
        assert found[held_out].tolist() == pytest.approx(model.predict_proba(x[held_out])[:, 1].tolist(), abs=1e-4)


@settings(max_examples=10)
@given(subject=st.integers(0, N - 1), seed=st.integers(0, 3))
def test_a_subject_does_not_know_its_own_target_nor_its_folds_values(subject, seed):
    table, target = cohort(seed)
    before = scores(table, target)
    flipped = target.copy()
    flipped[subject] = ~flipped[subject]
    own_fold = np.isin(FOLDS, FOLDS[subject])
    assert (scores(table, flipped)[own_fold] == before[own_fold]).all()
    extreme = table.copy()
    extreme.iloc[subject] = [1e9, np.nan, -1e3]
    after = scores(extreme, target)
    others = own_fold & (np.arange(N) != subject)
    assert (after[others] == before[others]).all()


def test_noise_has_no_skill():
    areas = []
    for seed in range(60):
        table, _ = cohort(seed)
        target = np.random.default_rng([9, seed]).random(N) < 0.5
        areas.append(roc_auc_score(target, scores(table, target)))
    # It was .44 as long as a fold with more positives, which leaves fewer to train on, had lower answers for that.
    assert np.mean(areas) == pytest.approx(0.5, abs=0.03)


def test_what_the_network_adds_is_seen():
    table, target = cohort()
    found = compare_auc(target, scores(table, target), scores(table, target, columns=COLUMNS[:2]))
    assert found.difference.low > 0


def test_units_and_order_do_not_matter():
    table, target = cohort()
    found = scores(table, target)
    other = scores(table.assign(volume_mm3=table["volume_mm3"] / 1000), target, columns=COLUMNS[::-1])
    assert other.tolist() == pytest.approx(found.tolist(), abs=1e-4)
    order = np.random.default_rng(0).permutation(N)
    turned = scores(table.iloc[order], target[order], folds=FOLDS[order])
    assert turned[table.index].tolist() == pytest.approx(found.tolist(), abs=1e-4)


def test_values_that_only_the_held_out_miss_and_columns_without_any():
    table, target = cohort()
    table.loc[FOLDS == 0, "age"] = np.nan
    table.loc[FOLDS != 0, "volume_mm3"] = np.nan
    assert scores(table, target).between(0, 1).all()


def test_all_that_is_wrong_is_listed():
    table, target = cohort()
    table = table.assign(sex="F", logit=np.inf)
    with pytest.raises(InputError) as error:
        scores(pd.concat([table, table.iloc[:1]]), target, columns=["sex", "logit", "weight"])
    assert len(str(error.value).splitlines()) == 5
    for folds, positive, message in (
        (np.zeros(N), target, "both classes"),
        (FOLDS, FOLDS == 0, "both classes"),
        (np.where(FOLDS == 0, np.nan, FOLDS), target, "missing"),
        (FOLDS, np.where(target, 1.0, np.nan), "missing"),
    ):
        with pytest.raises(InputError, match=message):
            scores(cohort()[0], positive, folds=folds)

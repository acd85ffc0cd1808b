"""Logistic regression on simple scores, fitted without the subjects that it answers for."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mtseg.errors import InputError


def cross_fitted_scores(
    table: pd.DataFrame, target: Sequence[bool], *, columns: Sequence[str], folds: Sequence[int]
) -> pd.Series:
    """Predict each subject's class from simple scores by a model that was fitted on the other folds.

    Within the training folds: missing values become the median, with a column that says so where there are any; columns
    are standardised; logistic regression with scikit-learn's default ridge penalty (C = 1), either class as a whole
    weighing the same, so that the answers of the folds can be ranked together.

    With the network's logit (`log_odds` of its probability) among the columns this says what it adds to the others. Its
    probabilities have to be out of fold, too. Those of the training subjects then come from networks that did see the
    subjects held out here, as in all stacking; what was fitted on them alone is only two or three coefficients.

    Args:
        table: One row per subject.
        target: Whether each is positive, (n,).
        columns: Numeric columns of `table`, any unit, such as the lesion's volume, age, the network's logit.
        folds: Fold in which each subject is held out, (n,): the network's own, so that both saw the same subjects.

    Returns:
        Probability of being positive if both classes were equally frequent, with the index of `table`.

    Raises:
        InputError: A column is absent, not numeric or infinite; a target or fold is missing; a subject occurs twice;
            the subjects outside one of the folds lack a class.

    References:
        Stone, Cross-validatory choice and assessment of statistical predictions, JRSS B 1974.

    >>> table = pd.DataFrame({"volume_mm3": [1.0, 2, 8, 9, 1, 3, 7, 9]})
    >>> cross_fitted_scores(table, [0, 0, 1, 1] * 2, columns=["volume_mm3"], folds=[0] * 4 + [1] * 4).round(1).tolist()
    [0.2, 0.3, 0.7, 0.8, 0.2, 0.4, 0.6, 0.8]
    """
    fold = pd.factorize(np.asarray(folds))[0]
    _check(table, np.asarray(target), columns=columns, fold=fold)
    positive = np.asarray(target, dtype=bool)
    model = make_pipeline(
        # A column without any value in the training folds stays, as zeros.
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        # A fold with more positives leaves fewer to train on: unbalanced, its answers would all be lower for that.
        LogisticRegression(class_weight="balanced", max_iter=1000),
    )
    values = table[list(columns)].to_numpy(dtype=float)
    said = cross_val_predict(model, values, positive, cv=PredefinedSplit(fold), method="predict_proba")
    return pd.Series(said[:, 1], index=table.index)


def _check(table: pd.DataFrame, target: np.ndarray, *, columns: Sequence[str], fold: np.ndarray) -> None:
    problems = []
    for name in columns:
        if name not in table:
            problems.append(f"{name}: there is no such column")
        elif not pd.api.types.is_numeric_dtype(table[name]):
            problems.append(f"{name}: not numeric. Give categories numbers")
        elif np.isinf(table[name].to_numpy(dtype=float)).any():
            problems.append(f"{name}: infinite values. Of probabilities take log_odds")
    if not len(table) == len(target) == len(fold):
        problems.append(f"{len(table)} subjects, {len(target)} targets, {len(fold)} folds: give every subject one")
    elif pd.isna(target).any() or (fold < 0).any():
        problems.append("a target or a fold is missing. Leave these subjects out")
    elif any(len(np.unique(target[fold != k])) < 2 for k in np.unique(fold)):
        problems.append("the subjects outside one of the folds do not have both classes: nothing can be learnt there")
    if table.index.has_duplicates:
        problems.append("a subject occurs twice: it could be in training and held out at once")
    if problems:
        raise InputError("\n".join(problems))

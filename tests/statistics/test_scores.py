"""Scores along an axis equal scikit-learn's, sample by sample."""

import numpy as np
import pytest
from sklearn import metrics

from mtseg.statistics import reliability, scores

rng = np.random.default_rng(0)
TARGET = rng.random((5, 40)) < 0.4
SCORE = np.round(np.clip(0.25 * TARGET + rng.random((5, 40)) * 0.75, 0, 1), 1)
CODES, GUESSES = rng.integers(0, 3, (2, 5, 40))
NUMBERS = rng.normal(50, 10, (5, 40))
ESTIMATES = NUMBERS + rng.normal(0, 5, (5, 40))


@pytest.mark.parametrize(
    ("ours", "theirs", "truth", "said"),
    [
        (scores.auc, metrics.roc_auc_score, TARGET, SCORE),
        (scores.brier, metrics.brier_score_loss, TARGET, SCORE),
        (scores.recall, metrics.recall_score, TARGET, SCORE >= 0.5),
        (scores.r2, metrics.r2_score, NUMBERS, ESTIMATES),
        (scores.pearson, lambda a, b: np.corrcoef(a, b)[0, 1], NUMBERS, ESTIMATES),
    ],
)
def test_equals_scikit_learn(ours, theirs, truth, said):
    assert ours(truth, said) == pytest.approx([theirs(t, s) for t, s in zip(truth, said, strict=True)])


def test_errors_of_classes_are_scikit_learns_brier_score():
    probability = rng.dirichlet(np.ones(3), (5, 40))
    expected = [metrics.brier_score_loss(t, p, scale_by_half=False) for t, p in zip(CODES, probability, strict=True)]
    assert scores.class_errors(CODES, probability).mean(axis=-1) == pytest.approx(expected)


def test_balanced_accuracy_equals_scikit_learn():
    expected = [metrics.balanced_accuracy_score(t, g) for t, g in zip(CODES, GUESSES, strict=True)]
    assert scores.balanced_accuracy(CODES, GUESSES, classes=3) == pytest.approx(expected)


def test_auc_without_one_class_is_missing():
    with np.errstate(invalid="ignore"):
        assert np.isnan(scores.auc(np.ones(4, dtype=bool), np.arange(4.0)))


def test_calibration_error_of_a_constructed_table():
    # 10 subjects told .15 of whom 4 have it (gap .25), 30 told .95 of whom 27 have it (gap .05).
    probability = np.repeat([0.15, 0.95], [10, 30])
    target = np.concatenate([np.arange(10) < 4, np.arange(30) < 27])
    assert scores.calibration_error(target, probability) == pytest.approx((10 * 0.25 + 30 * 0.05) / 40)
    table = reliability(target, probability)
    assert table["n"].tolist() == [10, 30]
    assert table["frequency"].tolist() == pytest.approx([0.4, 0.9])
    assert ((table["low"] < table["frequency"]) & (table["frequency"] < table["high"])).all()


def test_r2_of_one_subject_or_a_constant_is_not_known():
    assert np.isnan(scores.r2(np.array([3.0]), np.array([2.0])))
    assert np.isnan(scores.r2(np.array([3.0, 3.0]), np.array([2.0, 3.0])))

"""The curve is scikit-learn's, and its band holds it."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from mtseg.statistics import roc_band


@pytest.mark.parametrize("decimals", [0, 1, 9])
@pytest.mark.parametrize("n", [4, 30, 200])
def test_the_curve(n, decimals):
    """With many ties and with none."""
    rng = np.random.default_rng(n)
    target = np.arange(n) % 3 == 0
    score = (rng.random(n) + 0.5 * target).round(decimals)
    band = roc_band(target, score)
    false_positives, true_positives, _ = roc_curve(target, score, drop_intermediate=False)
    highest = [true_positives[false_positives <= rate].max() for rate in band["false_positive_rate"]]
    assert band["sensitivity"].tolist() == highest
    assert (band["low"] <= band["high"]).all() and band["low"].min() >= 0 and band["high"].max() <= 1


def test_the_band():
    """Of a perfect score there is no doubt; of 40 positives 30 of which are above all negatives it is binomial."""
    target = np.repeat([False, True], 40)
    perfect = roc_band(target, target.astype(float))
    assert perfect[["sensitivity", "low", "high"]].eq(1).all().all()
    first = roc_band(target, np.r_[np.zeros(40), -np.ones(10), np.ones(30)]).iloc[0]
    assert first["sensitivity"] == 0.75
    assert (first["low"], first["high"]) == pytest.approx((0.61, 0.88), abs=0.04)

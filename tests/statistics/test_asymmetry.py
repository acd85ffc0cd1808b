"""Left against right."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mtseg.statistics.asymmetry import asymmetry

VOLUMES = Path(__file__).parents[3] / "shared" / "data" / "habenula" / "hcp_volumes.csv"


def test_by_hand():
    found = asymmetry(np.array([12.0, 10, 11, 0]), np.array([10.0, 10, 9, 0]))
    assert (found["n"], found["left_mm3"], found["right_mm3"]) == (4, 8.25, 7.25)
    assert found["difference_mm3"] == 1
    assert found["asymmetry_percent"] == pytest.approx((100 * 2 / 11 + 0 + 100 * 2 / 10) / 3)  # no volume, no index
    assert found["df"] == 3


def test_sides_exchanged_change_the_sign():
    left, right = np.random.default_rng(0).normal([[18], [17]], 3, (2, 30))
    there, back = asymmetry(left, right), asymmetry(right, left)
    assert there["p"] == back["p"]
    for name in ("difference_mm3", "asymmetry_percent"):
        assert there[name] == pytest.approx(-back[name])
        assert there[f"{name}_low"] == pytest.approx(-back[f"{name}_high"])


@pytest.mark.data
@pytest.mark.skipif(not VOLUMES.is_file(), reason="the published volumes (../shared/data/habenula) are not here")
def test_the_published_volumes_are_larger_on_the_right():
    table = pd.read_csv(VOLUMES)
    found = asymmetry(table["hb_volume_left"].to_numpy(), table["hb_volume_right"].to_numpy())
    assert found["n"] == 1001
    assert found["difference_mm3_high"] < 0
    assert found["asymmetry_percent"] == pytest.approx(-5.35, abs=0.01)

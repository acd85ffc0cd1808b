"""ComBat against neuroCombat, and what it takes out and keeps."""

import numpy as np
import pandas as pd
import pytest

from mtseg.errors import InputError
from mtseg.statistics.combat import combat
from mtseg.statistics.linear_model import design, fit

TABLE = pd.DataFrame(
    {
        "site": list("aaaaabbbbbbb"),
        "age": [52, 23, 27, 29, 27, 52, 54, 43, 21, 23, 33, 37],
        "dx": list("HPHPHPHPHPHP"),
    }
)
VALUES = pd.DataFrame(
    [
        [13.4, 17.9, 14.7],
        [25.5, 20.3, 17.1],
        [18.1, 18.3, 15.5],
        [17.8, 20.5, 17.1],
        [20.6, 19.3, 17.7],
        [17.5, 16.5, 12.4],
        [13.9, 16.4, 17.2],
        [14.3, 15.4, 15.9],
        [14.2, 16.4, 16.7],
        [17.0, 17.0, 16.2],
        [9.7, 18.4, 12.4],
        [11.8, 16.7, 15.6],
    ],
    columns=["left", "right", "total"],
)
# Printed by neuroCombat 0.2.12 (Fortin, MIT licence) for the same table, site as batch, dx categorical, age continuous.
NEUROCOMBAT = [
    [10.503, 16.61, 13.7089],
    [22.5528, 19.0869, 16.2977],
    [15.1829, 16.9736, 14.4262],
    [14.9071, 19.3173, 16.358],
    [17.664, 18.0469, 17.0896],
    [19.1784, 17.3313, 13.4334],
    [15.6214, 17.1914, 17.429],
    [16.4541, 16.4321, 16.4409],
    [16.2085, 17.3583, 17.2617],
    [19.0232, 17.9074, 16.8459],
    [12.1357, 19.0153, 13.5595],
    [14.3156, 17.5789, 16.235],
]
# The same with eb=False, first measure: what a single measure gets.
WITHOUT_BAYES = "10.9191 21.8847 15.1638 15.4119 17.2386 19.5603 15.9658 16.4217 16.3029 19.1048 11.8581 13.9684"


def test_as_neurocombat():
    found = combat(VALUES, TABLE, site="site", keep=["dx", "age"])
    assert found.to_numpy() == pytest.approx(np.array(NEUROCOMBAT), abs=2e-4)
    assert list(found) == list(VALUES)


def test_a_single_measure_has_nothing_to_be_shrunk_towards():
    found = combat(VALUES[["left"]], TABLE, site="site", keep=["dx", "age"])
    assert found["left"].to_numpy() == pytest.approx(np.array(WITHOUT_BAYES.split(), float), abs=2e-4)


def test_sites_go_and_the_group_stays():
    rng, n = np.random.default_rng(0), 300
    table = pd.DataFrame({"site": rng.choice(["a", "b", "c"], n), "dx": rng.choice(["HC", "MDD"], n)})
    of_site = table["site"].map({"a": 0.0, "b": 4.0, "c": -3.0}).to_numpy()
    spread = table["site"].map({"a": 1.0, "b": 2.0, "c": 0.7}).to_numpy()
    measures = {
        name: 20 + of_site - 1.5 * (table["dx"] == "MDD") + spread * rng.normal(size=n) for name in ("l", "r", "t")
    }
    found = combat(pd.DataFrame(measures), table, site="site", keep=["dx"])
    residual = found - found.groupby(table["dx"]).transform("mean")
    by_site = residual.groupby(table["site"])
    assert by_site.mean().abs().to_numpy().max() < 0.15
    assert (by_site.std().max() / by_site.std().min()).max() < 1.25
    difference = found.groupby(table["dx"]).mean().diff().iloc[1]
    assert difference.to_numpy() == pytest.approx([-1.5] * 3, abs=0.35)


def test_tests_after_it_are_too_sure_and_those_with_fixed_sites_are_not():
    # Nygaard, Rodland & Hovig, Biostatistics 2016: no difference, but unequal shares of patients at the sites.
    rng, hits, studies, n = np.random.default_rng(0), np.zeros(2), 250, 60
    shares = np.array([0.15, 0.5, 0.85])
    for _ in range(studies):
        site = rng.integers(0, 3, n)
        table = pd.DataFrame(
            {"site": np.array(["a", "b", "c"])[site], "dx": np.where(rng.random(n) < shares[site], "P", "H")}
        )
        values = pd.DataFrame(rng.normal(20, 2, (n, 3)) + rng.normal(0, 3, 3)[site][:, None], columns=["l", "r", "t"])
        harmonised = combat(values, table, site="site", keep=["dx"])
        fixed, after = design(table, ["dx", "site"]), design(table, ["dx"])
        tests = fit(values["t"].to_numpy(), fixed).test("dx"), fit(harmonised["t"].to_numpy(), after).test("dx")
        hits += [test.p < 0.05 for test in tests]
    assert 0.02 < hits[0] / studies < 0.09
    assert hits[1] / studies > 0.12


def test_what_it_cannot_do_is_refused():
    alone = TABLE.assign(site=list("aaaaabbbbbbc"))
    with pytest.raises(InputError, match="site: c has one subject only"):
        combat(VALUES, alone, site="site", keep=["age"])
    with pytest.raises(InputError, match="site, dx: cannot be told apart"):
        combat(VALUES, TABLE.assign(dx=TABLE["site"]), site="site", keep=["dx"])
    with pytest.raises(InputError, match="does not vary within site"):
        combat(VALUES.assign(flat=1.0), TABLE, site="site", keep=["age"])
    two = TABLE.assign(site=list("aaaaabbbbbcc"))
    alike = VALUES.iloc[:, [0]].copy()
    alike.iloc[-2:] = 3.0
    with pytest.raises(InputError, match="site: in c all values are alike"):
        combat(alike, two, site="site", keep=[])

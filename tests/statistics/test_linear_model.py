"""Linear models against published fits, and what cannot be told apart."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from mtseg.errors import InputError
from mtseg.statistics.linear_model import Design, design, fit

# Box & Tiao 1973, as in R's lme4 (Dyestuff, Dyestuff2): six batches of five.
BATCH = np.repeat(list("ABCDEF"), 5)
DYESTUFF = (
    "1545 1440 1440 1520 1580 1540 1555 1490 1560 1495 1595 1550 1605 1510 1560 "
    "1445 1440 1595 1465 1545 1595 1630 1515 1635 1625 1520 1455 1450 1480 1445"
)
CONSTANT = Design(np.ones((30, 1)), {}, {})


def cohort(seed: int = 0, n: int = 90, site_sd: float = 3.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"dx": rng.choice(["HC", "MDD"], n), "age": rng.normal(40, 12, n), "site": rng.choice(list("abcdefgh"), n)}
    )
    shift = dict(zip("abcdefgh", rng.normal(0, site_sd, 8), strict=True))
    noise = rng.normal(0, 2, n)
    return table.assign(volume=30 - 0.1 * table["age"] + (table["dx"] == "MDD") + table["site"].map(shift) + noise)


def test_random_batches_as_lme4_has_them():
    # Bates, lme4: Mixed-effects modeling with R, 1.3: SD of batches 42.00, residual 49.51, mean 1527.5 with SE 19.38.
    found = fit(np.array(DYESTUFF.split(), float), CONSTANT, clusters=BATCH)
    assert (found.cluster_sd, found.sd) == pytest.approx((42.00, 49.51), abs=0.005)
    assert found.coefficients[0] == pytest.approx(1527.5)
    assert found.covariance[0, 0] ** 0.5 == pytest.approx(19.38, abs=0.005)


def test_clusters_that_do_not_differ_change_nothing():
    values = np.tile([1.0, 2, 3, 4, 5], 6)
    found, without = fit(values, CONSTANT, clusters=BATCH), fit(values, CONSTANT)
    assert found.cluster_sd == 0
    assert (found.sd, found.covariance[0, 0]) == pytest.approx((without.sd, without.covariance[0, 0]))


def test_random_sites_as_statsmodels_has_them():
    table = cohort()
    columns = design(table, ["dx", "age"])
    found = fit(table["volume"].to_numpy(), columns, clusters=table["site"].to_numpy())
    reference = MixedLM(table["volume"].to_numpy(), columns.matrix, groups=table["site"]).fit(reml=True)
    assert found.coefficients == pytest.approx(reference.fe_params, rel=1e-4)
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx(reference.bse_fe, rel=1e-2)
    assert found.cluster_sd == pytest.approx(float(reference.cov_re[0, 0]) ** 0.5, rel=1e-2)
    assert found.df == 90 - 3 - 7
    assert np.isnan(found.test("dx", robust=True).p)


def test_many_large_sites_random_or_fixed_are_nearly_the_same():
    table = cohort(n=400)
    random = fit(table["volume"].to_numpy(), design(table, ["dx", "age"]), clusters=table["site"].to_numpy())
    fixed = fit(table["volume"].to_numpy(), design(table, ["dx", "age", "site"]))
    assert random.test("dx").f == pytest.approx(fixed.test("dx").f, rel=0.02)
    assert random.df == fixed.df
    assert random.sd == pytest.approx(fixed.sd, rel=1e-3)


def test_adjusted_means_are_those_at_mean_covariates():
    table = cohort()
    found = fit(table["volume"].to_numpy(), design(table, ["dx", "age", "site"]))
    means, _ = found.combine(found.design.means_of("dx"))
    by_hand = []
    for group in ("HC", "MDD"):
        rows = pd.DataFrame({"dx": group, "age": table["age"].mean(), "site": sorted(set(table["site"]))})
        both = pd.concat([table, rows], ignore_index=True)
        x = pd.get_dummies(both[["dx", "site"]], drop_first=True).assign(age=both["age"], one=1).to_numpy(float)
        b = np.linalg.lstsq(x[: len(table)], table["volume"], rcond=None)[0]
        by_hand.append((x[len(table) :] @ b).mean())
    assert means == pytest.approx(by_hand)


def test_a_subject_alone_in_its_site_has_no_robust_test():
    table = cohort()
    table.loc[0, "site"] = "z"
    found = fit(table["volume"].to_numpy(), design(table, ["dx", "age", "site"]))
    assert np.isnan(found.test("dx", robust=True).p)
    assert 0 < found.test("dx").p < 1


def test_what_cannot_be_told_apart_is_named():
    table = cohort()
    with pytest.raises(InputError, match="dx, site: cannot be told apart"):
        design(table.assign(site=table["dx"] + " scanner"), ["dx", "age", "site"])
    with pytest.raises(InputError, match="sex: is the same for all 90 subjects"):
        design(table.assign(sex="F"), ["dx", "sex"])
    with pytest.raises(InputError, match="3 subjects are too few for dx, age"):
        design(table.iloc[[*table.index[table["dx"] == "HC"][:2], table.index[table["dx"] == "MDD"][0]]], ["dx", "age"])


def test_too_few_subjects_for_random_sites_are_refused():
    """With no degree of freedom left, shares of the variance were beyond 1."""
    table = cohort(n=9).assign(dx=["HC", "MDD", "HC"] * 3, site=list("abcdefgga"))
    columns = design(table, ["dx", "age"])
    with pytest.raises(InputError, match=r"9 subjects are too few for dx, age \(3 coefficients\) and .* of 7 sites"):
        fit(table["volume"].to_numpy(), columns, clusters=table["site"].to_numpy())
    enough = design(table, ["dx"])
    assert fit(table["volume"].to_numpy(), enough, clusters=table["site"].to_numpy()).df == 1

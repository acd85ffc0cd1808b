"""Analysis of covariance against R and by hand."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from mtseg.errors import InputError
from mtseg.statistics.ancova import ancova

# R's ToothGrowth: length of teeth of 60 guinea pigs by supplement and dose.
LENGTHS = (
    "4.2 11.5 7.3 5.8 6.4 10 11.2 11.2 5.2 7 16.5 16.5 15.2 17.3 22.5 17.3 13.6 14.5 18.8 15.5 "
    "23.6 18.5 33.9 25.5 26.4 32.5 26.7 21.5 23.3 29.5 15.2 21.5 17.6 9.7 14.5 10 8.2 9.4 16.5 9.7 "
    "19.7 23.3 23.6 26.4 20 25.2 25.8 21.2 14.5 27.3 25.5 26.4 22.4 24.5 24.8 30.9 26.4 27.3 29.4 23"
)
TOOTH_GROWTH = pd.DataFrame(
    {
        "len": np.array(LENGTHS.split(), float),
        "supp": np.repeat(["VC", "OJ"], 30),
        "dose": np.tile(np.repeat([0.5, 1, 2], 10), 2),
    }
)
# R's mtcars: miles per gallon, cylinders, weight.
MPG = (
    "21 21 22.8 21.4 18.7 18.1 14.3 24.4 22.8 19.2 17.8 16.4 17.3 15.2 10.4 10.4 14.7 32.4 30.4 33.9 21.5 15.5 15.2 "
    "13.3 19.2 27.3 26 30.4 15.8 19.7 15 21.4"
)
WEIGHT = (
    "2.62 2.875 2.32 3.215 3.44 3.46 3.57 3.19 3.15 3.44 3.44 4.07 3.73 3.78 5.25 5.424 5.345 2.2 1.615 1.835 2.465 "
    "3.52 3.435 3.84 3.845 1.935 2.14 1.513 3.17 2.77 3.57 2.78"
)
MTCARS = pd.DataFrame(
    {
        "mpg": np.array(MPG.split(), float),
        "wt": np.array(WEIGHT.split(), float),
        "cyl": list("66468684466888888444488884448684"),
    }
)


def cohort(seed: int = 0, n: int = 120, effect: float = 1.5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "dx": rng.choice(["BD", "HC", "MDD"], n),
            "age": rng.normal(40, 12, n),
            "sex": rng.choice(["F", "M"], n),
            "site": rng.choice(["a", "b", "c"], n),
        }
    )
    volume = 30 - 0.1 * table["age"] + (table["sex"] == "M") + effect * (table["dx"] == "HC")
    return table.assign(volume=volume + rng.normal(0, 2, n))


def test_the_example_of_jamovi():
    # Manual of R's jmv, `ancova(len ~ supp + dose, ToothGrowth)`: F(1, 57) of supp 11.4, p .001, sums of squares 205.4
    # and 2224.3 of dose (F 124.0), residual mean square 17.9.
    found = ancova(TOOTH_GROWTH, "len", group="supp", covariates=["dose"])
    supp, dose = found.terms.to_dict("records")
    assert (supp["term"], supp["df1"], supp["df2"]) == ("supp", 1, 57)
    assert (supp["f"], dose["f"]) == pytest.approx((11.4, 124.0), abs=0.05)
    assert supp["p"] == pytest.approx(0.001, abs=5e-4)
    assert supp["partial_eta_squared"] == pytest.approx(205.4 / (205.4 + 57 * 17.947), abs=1e-3)
    assert dose["partial_eta_squared"] == pytest.approx(2224.3 / (2224.3 + 57 * 17.947), abs=1e-3)
    # Doses are balanced, so the adjusted means are the means.
    assert found.means["adjusted_mean"].tolist() == pytest.approx(found.means["mean"].tolist())
    # `t.test`-like: -3.7 mm; R's lm prints suppVC -3.7000, SE 1.0936, t -3.383, p .0013.
    pair = found.pairs.iloc[0]
    assert (pair["group"], pair["reference"]) == ("VC", "OJ")
    assert (pair["difference"], pair["t"], pair["p"]) == pytest.approx((-3.7, -3.383, 0.0013), abs=5e-4)


def test_the_coefficients_that_r_prints():
    # R's summary(lm(mpg ~ wt + factor(cyl), mtcars)): factor(cyl)6 -4.2556 (p .004718), factor(cyl)8 -6.0709 (p
    # .000999), residual standard error 2.557 on 28 degrees of freedom.
    found = ancova(MTCARS, "mpg", group="cyl", covariates=["wt"])
    against_4 = found.pairs[found.pairs["reference"] == "4"]
    assert against_4["difference"].tolist() == pytest.approx([-4.2556, -6.0709], abs=5e-5)
    assert against_4["p"].tolist() == pytest.approx([0.004718, 0.000999], abs=5e-7)
    assert (found.pairs["df"] == 28).all()
    assert found.pairs["p_holm"].tolist() == pytest.approx([2 * 0.004718, 3 * 0.000999, 0.191956], abs=2e-6)
    # Slopes: the interaction of R's anova(lm(mpg ~ cyl + wt), lm(mpg ~ cyl * wt)), F(2, 26) 2.27, p .12.
    slopes = found.checks.iloc[0]
    assert (slopes["statistic"], slopes["p"]) == pytest.approx((2.27, 0.124), abs=5e-3)
    assert (slopes["df1"], slopes["df2"]) == (2, 26)


@pytest.mark.parametrize("kind", [2, 3])
def test_sums_of_squares_of_both_types(kind):
    table = cohort()
    found = ancova(table, "volume", group="dx", covariates=["age", "sex", "site"]).terms.set_index("term")
    reference = anova_lm(ols("volume ~ C(dx, Sum) + age + C(sex, Sum) + C(site, Sum)", table).fit(), typ=kind)
    for term, row in {"dx": "C(dx, Sum)", "age": "age", "sex": "C(sex, Sum)", "site": "C(site, Sum)"}.items():
        assert found.loc[term, "f"] == pytest.approx(reference.loc[row, "F"])
        assert found.loc[term, "p"] == pytest.approx(reference.loc[row, "PR(>F)"])


def test_hc3_is_statsmodels():
    table = cohort()
    found = ancova(table, "volume", group="dx", covariates=["age"]).terms.set_index("term")
    reference = ols("volume ~ C(dx, Sum) + age", table).fit(cov_type="HC3")
    assert found.loc["age", "p_hc3"] == pytest.approx(reference.f_test("age = 0").pvalue, rel=1e-6)


def test_two_groups_without_covariates_are_students_t_test():
    table = cohort()
    table = table[table["dx"] != "BD"]
    a, b = (table.loc[table["dx"] == name, "volume"] for name in ("MDD", "HC"))
    found = ancova(table, "volume", group="dx")
    assert found.pairs["t"].item() == pytest.approx(stats.ttest_ind(a, b).statistic)
    assert found.terms["p"].item() == pytest.approx(stats.ttest_ind(a, b).pvalue)
    assert found.means["sd"].tolist() == pytest.approx([b.std(), a.std()])


def test_what_was_put_in_comes_out():
    found = ancova(cohort(n=600), "volume", group="dx", covariates=["age", "sex", "site"])
    pairs = found.pairs.set_index(["group", "reference"])
    assert pairs.loc[("MDD", "HC"), "difference_low"] < -1.5 < pairs.loc[("MDD", "HC"), "difference_high"]
    assert pairs.loc[("MDD", "HC"), "hedges_g"] == pytest.approx(-0.75, abs=0.25)
    assert found.checks["p"].min() > 0.01
    assert found.adjusted.groupby(cohort(n=600)["dx"]).mean().tolist() == pytest.approx(
        found.means["adjusted_mean"].tolist()
    )


def test_slopes_that_differ_are_seen():
    table = cohort(n=300)
    table["volume"] += 0.15 * table["age"] * (table["dx"] == "MDD")
    checks = ancova(table, "volume", group="dx", covariates=["age", "sex"]).checks.set_index("check")
    assert checks.loc["same effect of age in all groups", "p"] < 1e-4
    assert checks.loc["same effect of sex in all groups", "p"] > 0.01


def test_a_category_that_a_group_lacks_has_no_slope():
    table = cohort()
    table = table[~((table["dx"] == "HC") & (table["site"] == "a"))]
    checks = ancova(table, "volume", group="dx", covariates=["site"]).checks
    assert np.isnan(checks["p"].astype(float)[0])


@pytest.mark.parametrize("groups", ["aabb", "aabbcc"])
def test_variances_of_groups_of_two_are_not_compared(groups):
    """Its F was infinite, with p 0, and scipy warned on the terminal."""
    table = pd.DataFrame({"dx": list(groups), "y": [1.0, 2.1, 4.0, 7.3, 5.2, 9.9][: len(groups)]})
    with warnings.catch_warnings(action="error"):
        found = ancova(table, "y", group="dx").checks.set_index("check")
    assert found.loc["same variance in all groups (Brown-Forsythe)", ["statistic", "p"]].isna().all()
    one_more = pd.concat([table, pd.DataFrame({"dx": ["a"], "y": [1.2]})])
    assert ancova(one_more, "y", group="dx").checks["p"].notna().all()


def test_without_a_difference_p_is_uniform():
    rng = np.random.default_rng(0)
    p = []
    for seed in range(200):
        table = cohort(seed, n=45)
        table["dx"] = rng.permutation(table["dx"])
        p.append(ancova(table, "volume", group="dx", covariates=["age", "sex", "site"]).terms["p"][0])
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.1


def test_sites_as_random_effect():
    table = cohort(n=300)
    table["volume"] += table["site"].map({"a": 0.0, "b": 4.0, "c": -3.0})
    random = ancova(table, "volume", group="dx", covariates=["age", "sex"], cluster="site")
    fixed = ancova(table, "volume", group="dx", covariates=["age", "sex", "site"])
    assert random.terms["f"][0] == pytest.approx(fixed.terms["f"][0], rel=0.05)
    assert 2 < random.cluster_sd < 7
    assert fixed.cluster_sd is None


def test_a_group_of_one_is_refused():
    table = cohort()
    table.loc[0, "dx"] = "SZ"
    with pytest.raises(InputError, match=r"volume: groups with fewer than 2 subjects: SZ \(1\)"):
        ancova(table, "volume", group="dx")


def test_sites_of_one_group_each_are_refused():
    # Tested with n - p degrees of freedom, differences between the scanners would pass for those of the groups.
    table = cohort()
    table["site"] = table["dx"] + table["site"]
    with pytest.raises(InputError, match="dx, site: cannot be told apart, every site has subjects of one dx only"):
        ancova(table, "volume", group="dx", covariates=["age"], cluster="site")


def test_a_measure_that_does_not_vary_is_refused():
    """The covariance was singular, or rounding passed for a difference."""
    table = cohort()
    for values in (17.0, table["dx"].map({name: k for k, name in enumerate(sorted(set(table["dx"])))})):
        with pytest.raises(InputError, match=r"volume: does not vary among these \d+ subjects beyond dx"):
            ancova(table.assign(volume=values), "volume", group="dx")


def of_few_sites(rng, sites: int = 3, each: int = 40) -> pd.DataFrame:
    site = np.repeat(np.arange(sites), each)
    table = pd.DataFrame({"dx": rng.choice(["HC", "MDD"], len(site)), "site": site})
    return table.assign(volume=10 + rng.normal(size=sites)[site] + rng.normal(size=len(site)))


def test_adjusted_means_of_few_random_sites_are_known_as_badly_as_they_are():
    """Within-site degrees of freedom held the truth in 85 % of such studies."""
    held = []
    for seed in range(60):
        means = ancova(of_few_sites(np.random.default_rng(seed)), "volume", group="dx", cluster="site").means
        held += [(means["adjusted_mean_low"] < 10) & (means["adjusted_mean_high"] > 10)]
    assert np.mean(held) > 0.92


def test_differences_of_random_sites_keep_their_degrees_of_freedom():
    found = ancova(of_few_sites(np.random.default_rng(0)), "volume", group="dx", cluster="site")
    assert found.pairs["df"].item() == 116
    assert found.terms["df2"].item() == 116


def test_a_slope_with_too_few_subjects_for_the_sites_is_left_out():
    table = of_few_sites(np.random.default_rng(0), sites=3, each=2).assign(dx=["HC", "MDD"] * 3)
    table["age"] = [30.0, 41, 25, 60, 52, 33]
    found = ancova(table, "volume", group="dx", covariates=["age"], cluster="site")
    assert found.terms["df2"].tolist() == [1, 1]
    assert np.isnan(found.checks["p"].astype(float)[0])

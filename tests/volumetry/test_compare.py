"""A whole comparison: what was put in comes out, in the tables and on the page."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from simulated_study import AGE_R, DIFFERENCE, SEVERITY_R, simulate, write

from mtseg.errors import InputError, ProblemsError
from mtseg.files import read_table
from mtseg.volumetry.compare import compare_volumes
from mtseg.volumetry.compare.analyse import analyse
from mtseg.volumetry.compare.question import ALL, ask, strata

COVARIATES = ("age", "sex", "site", "icv_mm3")
MEASURES = ("left_mm3", "right_mm3", "total_mm3")


def question(**changed):
    asked = {
        "group": "dx",
        "covariates": COVARIATES,
        "measures": MEASURES,
        "age": "age",
        "sex": "sex",
        "site": "site",
        "severity": "hamd",
        "site_effect": "fixed",
    }
    return ask(**(asked | changed))


@pytest.fixture(scope="module")
def study():
    """The published study, once."""
    return analyse(simulate().set_index("participant_id"), question())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of a comparison of a third of it, from two tables, three people not complete."""
    folder = tmp_path_factory.mktemp("compared")
    table = simulate(shrink=3)
    table.loc[0, "age"], table.loc[1, "left_mm3"] = np.nan, np.nan
    people = table[["participant_id", "dx", "sex", "site", "age", "hamd"]]
    compare_volumes(
        write(table.drop(columns=list(people)[1:]), folder / "habenula.tsv"),
        participants=write(people, folder / "participants.tsv"),
        group="dx",
        covariates=COVARIATES,
        severity="hamd",
        out=folder / "out",
    )
    return folder / "out"


def correlation(found, predictor, *, group, stratum=ALL, measure="total_mm3", method="pearson"):
    rows = found.correlations.set_index(["predictor", "measure", "stratum", "group", "method"])
    return rows.loc[(predictor, measure, stratum, group, method)]


def test_the_published_effects_are_recovered(study):
    pair = study.pairs.set_index(["measure", "stratum"]).loc[("total_mm3", ALL)]
    assert (pair["group"], pair["reference"]) == ("MDD", "HC")
    assert pair["difference_low"] < DIFFERENCE < pair["difference_high"] < 0
    of_age = correlation(study, "age", group="MDD")
    assert of_age["r_low"] < AGE_R < of_age["r_high"] < -0.4
    assert of_age["covariates"] == "sex, site, icv_mm3"
    of_severity = correlation(study, "hamd", group="MDD", stratum="F")
    assert of_severity["r_low"] < SEVERITY_R < of_severity["r_high"] < 0
    assert of_severity["covariates"] == "age, site, icv_mm3"
    assert correlation(study, "hamd", group="MDD", stratum="M")["r_high"] > 0
    assert correlation(study, "hamd", group="MDD", method="spearman")["r_low"] > -0.5


def test_slopes_of_age_that_differ_are_told(study):
    checks = study.checks.set_index(["measure", "stratum", "check"])["p"]
    assert checks[("total_mm3", ALL, "same effect of age in all groups")] < 0.01
    assert checks[("total_mm3", ALL, "same effect of icv_mm3 in all groups")] > 0.01


def test_counts_and_corrections(study):
    assert study.description.set_index("group")["n"].to_dict() == {ALL: 382, "HC": 148, "MDD": 234}
    assert study.description.loc[0, "sex_F"] == (simulate()["sex"] == "F").sum()
    own = study.terms[(study.terms["term"] == "dx") & (study.terms["stratum"] == ALL)]
    assert own["q"].to_numpy() == pytest.approx(stats.false_discovery_control(own["p"]))
    rows = study.correlations[(study.correlations["predictor"] == "hamd") & (study.correlations["method"] == "pearson")]
    assert rows["q"].to_numpy() == pytest.approx(stats.false_discovery_control(rows["p"]))
    # Only patients have a severity: there is no row of all groups together.
    assert set(rows["group"]) == {"MDD"}
    assert set(study.correlations["stratum"]) == {ALL, "F", "M"}


def test_the_left_is_smaller_in_both_groups(study):
    sides = study.asymmetry.set_index("group")
    assert sides["difference_mm3_high"].max() < 0
    assert sides["n"].to_dict() == {ALL: 382, "HC": 148, "MDD": 234}


@pytest.mark.parametrize("site_effect", ["random", "combat"])
def test_other_ways_with_sites_agree(study, site_effect):
    table = simulate().set_index("participant_id")
    found = analyse(table, question(site_effect=site_effect))
    assert "site" not in set(found.terms["term"])
    mine, fixed = (f.pairs.set_index(["measure", "stratum"]).loc[("total_mm3", ALL)] for f in (found, study))
    assert mine["difference"] == pytest.approx(fixed["difference"], abs=0.15)
    assert mine["difference_low"] == pytest.approx(fixed["difference_low"], abs=0.2)
    # ComBat has taken the sites out, so no correlation takes them out again.
    taken_out = correlation(found, "age", group="MDD")["covariates"]
    assert ("site" in taken_out) == (site_effect == "random")
    assert found.table["total_mm3"].equals(table["total_mm3"]) == (site_effect == "random")


def test_severity_that_differs_between_sites_is_correlated_within_them_after_combat():
    """ComBat took the sites' means out of the volumes but not out of the severity, which hid the correlation."""
    rng = np.random.default_rng(0)
    table = simulate().set_index("participant_id")
    table["hamd"] += table["site"].map({"prisma": 0.0, "skyra": 20.0, "verio": 40.0})
    within = table["hamd"] - table.groupby("site")["hamd"].transform("mean")
    table["total_mm3"] = 34 + table["site"].map({"prisma": 0.0, "skyra": 3.0, "verio": -2.0})
    table["total_mm3"] += (-0.25 * within).fillna(0) + rng.normal(0, 2, len(table))
    combat, fixed = (
        analyse(table, question(measures=("total_mm3",), site_effect=effect)) for effect in ("combat", "fixed")
    )
    mine, reference = (correlation(found, "hamd", group="MDD") for found in (combat, fixed))
    assert mine["covariates"] == reference["covariates"] == "age, sex, site, icv_mm3"
    assert mine["r"] == pytest.approx(reference["r"], abs=0.05)
    assert mine["r"] < -0.5
    assert correlation(combat, "age", group="MDD")["covariates"] == "sex, icv_mm3"


def test_sites_that_are_ignored_hide_the_group():
    without = analyse(simulate().set_index("participant_id"), question(covariates=("age", "sex")))
    rows = without.pairs.set_index(["measure", "stratum"]).loc[("total_mm3", ALL)]
    assert rows["difference_high"] - rows["difference_low"] > 1.05


def test_shuffled_groups_have_no_difference():
    table = simulate(shrink=4).set_index("participant_id")
    rng, asked = (
        np.random.default_rng(0),
        replace(question(), measures=("total_mm3",), severity=None, age=None, sex=None),
    )
    p = []
    for _ in range(100):
        shuffled = table.assign(dx=rng.permutation(table["dx"]))
        p.append(analyse(shuffled, asked).terms.set_index("term").loc["dx", "p"])
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_a_sex_that_cannot_be_compared_is_a_note():
    table = simulate(shrink=4).set_index("participant_id")
    table = table[(table["sex"] == "F") | (table["dx"] == "MDD")]
    found = analyse(table, question())
    assert set(found.terms["stratum"]) == {ALL, "F"}
    assert "sex M, total_mm3: not compared. dx: is the same for all" in " ".join(found.notes)


def test_a_sex_with_too_few_subjects_for_random_sites_is_a_note():
    table = simulate(shrink=4).set_index("participant_id")
    men = table.index[table["sex"] == "M"]
    few = pd.concat([part.head(3) for _, part in table.loc[men].groupby("dx")])
    table = pd.concat([table[table["sex"] == "F"], few.assign(site=["a", "b", "c", "d", "a", "b"])])
    found = analyse(table, question(site_effect="random"))
    assert set(found.terms["stratum"]) == {ALL, "F"}
    assert "sex M, total_mm3: not compared. 6 subjects are too few for dx, age, icv_mm3" in " ".join(found.notes)
    assert found.terms["partial_eta_squared"].between(0, 1).all()


def test_a_small_group_has_no_correlation():
    table = simulate(shrink=4).set_index("participant_id")
    controls = table.index[table["dx"] == "HC"]
    found = analyse(table.drop(index=controls[3:]), question(sex="none"))
    row = correlation(found, "age", group="HC")
    assert row["n"] == 3
    assert np.isnan(row["r"])


def test_groups_and_sites_that_are_the_same(tmp_path):
    table = simulate(shrink=4)
    table["site"] = table["dx"].map({"MDD": "prisma", "HC": "skyra"})
    with pytest.raises(InputError, match="dx, site: cannot be told apart"):
        compare_volumes(write(table, tmp_path / "t.tsv"), group="dx", covariates=COVARIATES, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ProblemsError, match="two groups are needed, complete rows are there of MDD"):
        compare_volumes(write(table[table["dx"] == "MDD"], tmp_path / "t.tsv"), group="dx", out=tmp_path / "out")


def test_columns_that_cannot_be_used():
    table = simulate(shrink=10).assign(hamd=np.nan).set_index("participant_id")
    with pytest.raises(ProblemsError) as error:
        analyse(table.assign(sex="all"), question())
    assert [(problem.where, problem.what) for problem in error.value.problems] == [
        ("sex", "a category is called 'all'"),
        ("hamd", "nobody has a number"),
    ]


def test_negative_ages():
    """-9 for an age that is not known was one."""
    table = simulate(shrink=10).set_index("participant_id")
    table.iloc[3, table.columns.get_loc("age")] = -9
    with pytest.raises(ProblemsError, match=r"age: negative ages: sub-003 \(-9\)\. Empty the cells"):
        analyse(table, question())
    centred = table.assign(age=table["age"] - table["age"].mean())
    assert len(analyse(centred, question(severity=None)).terms)


def test_numbers_and_sexes_to_look_at_are_named(tmp_path):
    """999 years and a volume of 0 went into the analysis without a word."""
    table = simulate(shrink=4)
    asked = {"group": "dx", "covariates": ["age", "sex"], "measures": ["total_mm3"], "severity": "hamd"}
    page = compare_volumes(write(table, tmp_path / "a.tsv"), out=tmp_path / "out", **asked)
    assert "Look at these numbers" not in page.read_text() and "The column sex" not in page.read_text()
    table.loc[3, "age"], table.loc[5, "total_mm3"], table.loc[[7, 9], "sex"] = 999, 0, "d"
    table.loc[4, "hamd"] = -1
    page = compare_volumes(write(table, tmp_path / "b.tsv"), out=tmp_path / "out", **asked)
    text = page.read_text()
    assert "Look at these numbers: total (mm³): sub-005 (0); age: sub-003 (999); hamd: sub-004 (-1). They" in text
    assert "The column sex has 3 categories: F, M, d. Each is compared apart" in text


def test_questions_that_contradict_themselves():
    with pytest.raises(ProblemsError) as error:
        question(covariates=("age", "dx"), severity="age", site_effect="random")
    assert [problem.where for problem in error.value.problems] == ["dx", "age", "--site-effect"]
    with pytest.raises(ProblemsError, match="'mixed' is unknown"):
        question(site_effect="mixed")


def test_capitals_of_covariates_do_not_matter():
    """`--covariates Age,Sex` left out what is done by age and sex, without a word."""
    asked = question(covariates=("Age", "SEX", "Site"))
    assert (asked.age, asked.sex, asked.site) == ("Age", "SEX", "Site")
    assert question(covariates=("Age", "age")).age == "age"
    with pytest.raises(ProblemsError, match="'site' is not among the covariates"):
        question(covariates=("age",), site_effect="combat")


def test_strata_are_everybody_and_each_sex():
    table = simulate(shrink=10)
    assert {name: len(part) for name, part in strata(table, question()).items()} == {
        ALL: len(table),
        "F": (table["sex"] == "F").sum(),
        "M": (table["sex"] == "M").sum(),
    }
    assert list(strata(table, question(sex="gender"))) == [ALL]


def test_files_of_a_comparison(written):
    assert {path.name for path in written.iterdir()} == {
        *("description.tsv", "ancova.tsv", "adjusted_means.tsv", "pairs.tsv", "checks.tsv", "correlations.tsv"),
        *("asymmetry.tsv", "excluded.tsv", "run.json", "report.html", "figures"),
    }
    names = ("adjusted_means", "against_age", "against_hamd")
    assert {path.name for path in (written / "figures").iterdir()} == {
        f"{name}.{suffix}" for name in names for suffix in ("png", "svg")
    }
    assert read_table(written / "excluded.tsv")["reason"].tolist() == ["no age", "no left_mm3"]
    terms = read_table(written / "ancova.tsv")
    assert terms[terms["stratum"] == ALL]["term"].tolist() == ["dx", *COVARIATES] * 3
    run = json.loads((written / "run.json").read_text())
    assert run["question"]["covariates"] == list(COVARIATES)
    assert run["n"] == 125


def test_page_of_a_comparison(written):
    page = (written / "report.html").read_text()
    row = read_table(written / "ancova.tsv").set_index(["measure", "stratum", "term"]).loc[("total_mm3", ALL, "dx")]
    assert f"F(1, {row['df2']:.0f})" in page
    assert "adjusted for age, sex, site, icv (mm³)" in page
    assert "Subjects left out: 2" in page
    for heading in ("Groups compared, by sex", "Volumes and hamd", "Left and right", "Checks", "Left out"):
        assert f"<h2>{heading}</h2>" in page
    assert page.count("<img") == 3


def test_other_columns_and_more_groups(tmp_path):
    table = simulate(shrink=3).rename(columns={"age": "years", "sex": "gender", "site": "scanner"})
    table["dx"] = np.where(np.arange(len(table)) % 5 == 0, "BD", table["dx"])
    page = compare_volumes(
        write(table, tmp_path / "t.tsv"),
        group="dx",
        covariates=("years", "gender", "scanner"),
        measures=["total_mm3"],
        age="years",
        sex="gender",
        site="scanner",
        site_effect="random",
        out=tmp_path / "out",
    )
    pairs = read_table(tmp_path / "out" / "pairs.tsv")
    everybody = pairs[pairs["stratum"] == ALL]
    assert everybody[["group", "reference"]].to_numpy().tolist() == [["HC", "BD"], ["MDD", "BD"], ["MDD", "HC"]]
    assert (everybody["p_holm"] >= everybody["p"]).all()
    assert set(pairs["stratum"]) == {ALL, "F", "M"}
    assert not (tmp_path / "out" / "asymmetry.tsv").exists()
    assert "Site is a random effect, with 3 sites" in page.read_text()
    assert "on dx and years, gender, with scanner as a random effect." in page.read_text()
    assert (tmp_path / "out" / "figures" / "against_years.png").exists()


def test_nothing_stays_of_an_earlier_question(tmp_path):
    table = simulate(shrink=4)
    table.loc[0, "total_mm3"] = np.nan
    asked = {"group": "dx", "measures": ["total_mm3"], "out": tmp_path / "out"}
    compare_volumes(write(table, tmp_path / "a.tsv"), covariates=["age"], severity="hamd", **asked)
    assert (tmp_path / "out" / "figures" / "against_hamd.png").exists()
    page = compare_volumes(write(table.drop(index=0), tmp_path / "b.tsv"), **asked)
    assert "Not correlated with age (--age) and not repeated within each sex (--sex): no cov" in page.read_text()
    left = {path.name for path in (tmp_path / "out").rglob("*.*")}
    assert not left & {"correlations.tsv", "excluded.tsv", "asymmetry.tsv", "against_hamd.png", "against_age.svg"}


def test_one_site_has_no_effect(tmp_path):
    table = write(simulate(shrink=4).assign(site="here"), tmp_path / "t.tsv")
    for effect in ("random", "combat"):
        with pytest.raises(InputError, match="site: all 95 subjects are of one"):
            compare_volumes(table, group="dx", covariates=["site"], site_effect=effect, out=tmp_path / "out")


def test_combat_is_explained(tmp_path):
    table = write(simulate(shrink=4), tmp_path / "t.tsv")
    page = compare_volumes(table, group="dx", covariates=COVARIATES, site_effect="combat", out=tmp_path / "out")
    assert "of which there are 3 here" in page.read_text()
    text = page.read_text()
    assert "adjusted for age, sex, icv (mm³), after ComBat took out site" in text
    assert "a linear model of each measure on dx and age, sex, icv (mm³), after ComBat took out site." in text
    assert "Mean (SD) after ComBat, before adjustment" in text
    assert "Volumes before ComBat." in text
    assert pd.notna(read_table(tmp_path / "out" / "ancova.tsv")["p"]).all()

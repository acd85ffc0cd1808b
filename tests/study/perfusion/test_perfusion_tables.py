"""Tables of the perfusion study, against numbers counted by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mtseg.ssp import Pattern
from mtseg.study.perfusion.displays import Split
from mtseg.study.perfusion.layout import layout
from mtseg.study.perfusion.maps import average_maps, choose_examples, measure_maps
from mtseg.study.perfusion.tables import (
    PUBLISHED,
    Part,
    average_repeats,
    compare_recall,
    count_pictures,
    score_repeats,
    score_run,
)

TRUE = ["AD", "AD", "DLB", "DLB", "NC", "NC"]


def answered(*said: str, **more) -> pd.DataFrame:
    return pd.DataFrame({"diagnosis_target": TRUE, "diagnosis_predicted": said} | more)


def test_scores_of_a_run_by_hand():
    found = score_run(answered("AD", "NC", "DLB", "AD", "NC", "NC")).set_index(["measure", "class"])["value"]
    expected = {"recall": (1 / 2, 1 / 2, 1), "precision": (1 / 2, 1, 2 / 3), "F": (1 / 2, 2 / 3, 4 / 5)}
    for measure, values in expected.items():
        assert found[measure].loc[["AD", "DLB", "NC"]].tolist() == pytest.approx(values)
    assert found["accuracy", "all"] == pytest.approx(4 / 6)


def test_a_class_that_is_never_answered_has_no_precision():
    found = score_run(answered("AD", "AD", "AD", "NC", "NC", "NC")).set_index(["measure", "class"])["value"]
    assert np.isnan(found["precision", "DLB"])
    assert found["recall", "DLB"] == found["F", "DLB"] == 0


@pytest.fixture
def means():
    """AlexNet: two repeats of 6 and 4 right answers; GoogLeNet: one that never says DLB."""
    runs = [
        answered(*TRUE, split="published", variant="alexnet", part="test", seed=0),
        answered("AD", "DLB", "DLB", "NC", "NC", "NC", split="published", variant="alexnet", part="test", seed=1),
        answered("AD", "AD", "AD", "AD", "NC", "NC", split="published", variant="googlenet", part="test", seed=0),
        answered(*TRUE, split="disjoint", variant="alexnet", part="test", seed=0),
    ]
    return average_repeats(score_repeats(pd.concat(runs)))


def test_means_over_repeats_beside_the_published(means):
    rows = means.set_index(["split", "variant", "part", "measure", "class"])
    recall = rows.loc[("published", "alexnet", "test", "recall", "AD")]
    assert recall[["mean", "repeats"]].tolist() == [0.75, 2]
    assert recall["sd"] == pytest.approx(np.sqrt(2) / 4)
    assert recall[["published_mean", "published_sd"]].tolist() == [0.52, 0.12]
    accuracy = rows.loc[("published", "alexnet", "test", "accuracy", "all")]
    assert accuracy["mean"] == pytest.approx(5 / 6)
    precision = rows.loc[("published", "googlenet", "test", "precision", "DLB")]
    assert precision["repeats"] == 0
    assert precision[["mean", "sd", "published_mean"]].isna().all()
    assert rows.loc["disjoint"][["sd", "published_mean", "published_sd"]].isna().all(axis=None)


def test_published_numbers_stand_where_the_source_has_them():
    """Test: all of AlexNet's ten, GoogLeNet's recall and accuracy; validation: recall and accuracy; training: one."""
    count = pd.Series([(network, str(part)) for network, part, *_ in PUBLISHED]).value_counts()
    assert count.to_dict() == {
        ("alexnet", "test"): 10,
        ("alexnet", "validation"): 4,
        ("googlenet", "test"): 4,
        ("googlenet", "validation"): 4,
        ("alexnet", "training"): 1,
    }
    assert PUBLISHED["alexnet", Part.TEST, "F", "NC"] == (0.83, 0.02)
    assert PUBLISHED["googlenet", Part.TEST, "recall", "DLB"] == (0.42, 0.12)
    assert PUBLISHED["googlenet", Part.VALIDATION, "accuracy", "all"] == (0.93, 0.02)
    for network, part, measure, of in PUBLISHED:
        if measure == "F":  # of means, so not exactly, but a swapped class would show
            (p, _), (r, _) = (PUBLISHED[network, part, name, of] for name in ("precision", "recall"))
            assert PUBLISHED[network, part, measure, of][0] == pytest.approx(2 * p * r / (p + r), abs=0.03)


def test_the_layout_has_a_column_for_the_published(means):
    table = layout(means, Split.PUBLISHED, published=True)
    assert table.columns[:3] == [
        "pictures",
        "recall, or accuracy, published: the source's own data",
        "recall, or accuracy, computed here: these data",
    ]
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert len(rows) == 24
    assert rows["AlexNet, test: AD"] == [
        *("0.52 ± 0.12", "0.750 ± 0.354", "0.70 ± 0.08", "1.000 ± 0", "0.58 ± 0.06", "0.833 ± 0.236")
    ]
    assert rows["AlexNet, test: accuracy"] == ["0.68 ± 0.02", "0.833 ± 0.236", "", "", "", ""]
    assert rows["GoogLeNet, test: DLB"] == ["0.42 ± 0.12", "0", "–", "n/a", "–", "0"]
    alone = layout(means, Split.DISJOINT, published=False)
    assert alone.columns == ["pictures", "recall, or accuracy", "precision", "F"]
    assert [cell.text for cell in alone.rows[8]] == ["AlexNet, test: AD", "1.000", "1.000", "1.000"]


def cases_of(right: dict[str, dict[str, list[list[int]]]]) -> tuple[pd.DataFrame, pd.Series]:
    """Answers by class, network and repeat; picture k is of patient k // 2 of its class."""
    rows, persons = [], {}
    for name, networks in right.items():
        for network, repeats in networks.items():
            for seed, flags in enumerate(repeats):
                for k, flag in enumerate(flags):
                    picture, said = f"{name}{k}", name if flag else "other"
                    persons[picture] = f"{name}-{k // 2}"
                    rows.append((picture, network, seed, name, said))
    names = ["participant_id", "variant", "seed", "diagnosis_target", "diagnosis_predicted"]
    return pd.DataFrame(rows, columns=names), pd.Series(persons)


def test_recall_is_compared_over_patients():
    """Sums of the patients' differences are 1, 2 and 0: of 8 exchanges, 2 reach their sum, and 2 its opposite."""
    alike, better = [[1, 0, 0, 0, 1, 1]] * 2, [[1] * 6] * 2
    cases, persons = cases_of({"AD": {"alexnet": alike, "googlenet": better}})
    found = compare_recall(cases, persons=persons).iloc[0]
    assert found[["class", "alexnet", "googlenet", "difference"]].tolist() == ["AD", 0.5, 1.0, 0.5]
    assert found["p"] == found["p_holm"] == pytest.approx(4 / 8)  # the only class that anybody has
    assert found[["pictures", "patients"]].tolist() == [6, 3]
    assert np.isnan(found["difference_low"])  # of three patients
    assert np.isnan(found["p_trainings"])  # the repeats are alike
    cases, persons = cases_of({"AD": {"alexnet": [row * 2 for row in alike], "googlenet": [row * 2 for row in better]}})
    six = compare_recall(cases, persons=persons).iloc[0]
    assert six["difference_low"] < 0.5 < six["difference_high"]


def test_a_picture_counts_by_the_share_of_repeats_that_are_right():
    first, second = [[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1]], [[0, 1, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]]
    given = {name: {"alexnet": first, "googlenet": second} for name in ("AD", "NC")}
    given["DLB"] = {"alexnet": second, "googlenet": second}
    cases, persons = cases_of(given)
    found = compare_recall(cases.sample(frac=1, random_state=0), persons=persons).set_index("class")
    assert found["difference"]["AD"] == pytest.approx(4 / 12 - 10 / 12)
    welch = stats.ttest_ind([1 / 4, 2 / 4, 1 / 4], [1, 3 / 4, 3 / 4], equal_var=False).pvalue
    assert found["p_trainings"]["AD"] == pytest.approx(welch)
    assert found["p_trainings_holm"]["AD"] == pytest.approx(3 * welch)
    assert found["p"]["DLB"] == found["p_trainings"]["DLB"] == 1
    assert [*found.index] == ["AD", "DLB", "NC"]


def test_one_patient_gives_no_test():
    cases, persons = cases_of({"NC": {"alexnet": [[1, 0]], "googlenet": [[1, 1]]}})
    found = compare_recall(cases, persons=persons).iloc[0]
    assert found["difference"] == 0.5
    assert found[["p", "p_holm", "p_trainings", "difference_low"]].isna().all()


def test_the_share_inside_of_a_map_made_for_it():
    """The surface is the left half, the regions of AD its upper quarter of four pixels, of DLB two pixels below."""
    surface = np.zeros((4, 4), dtype=bool)
    surface[:, :2] = True
    regions = {Pattern.AD: np.zeros((4, 4), dtype=bool), Pattern.DLB: np.zeros((4, 4), dtype=bool)}
    regions[Pattern.AD][:2, :2] = True
    regions[Pattern.DLB][3, :3] = True  # one of them beside the surface
    looks = np.zeros((4, 4))
    looks[0, 0], looks[3, 1], looks[1, 3] = 3, 1, 4
    found = measure_maps(
        np.stack([looks, looks, looks, np.ones((4, 4)), 0 * looks]),
        [Pattern.AD, Pattern.DLB, Pattern.NC, Pattern.AD, Pattern.AD],
        regions=regions,
        surface=surface,
    )
    np.testing.assert_allclose(found["on_surface"], [0.5, 0.5, 0.5, 0.5, np.nan])
    np.testing.assert_allclose(found["inside"], [3 / 4, 1 / 4, np.nan, 0.5, np.nan])
    np.testing.assert_allclose(found["expected"], [0.5, 0.25, np.nan, 0.5, np.nan])
    np.testing.assert_allclose(found["surface"], [0.5, 0.5, 0.5, 0.5, np.nan])


def test_means_of_maps_by_answer():
    measured = pd.DataFrame(
        {
            "variant": "alexnet",
            "lowered": ["DLB", "AD", "AD", "AD", "AD", "NC"],
            "right": [False, True, True, True, False, True],
            "patient": ["d", "a", "a", "b", "b", "c"],
            "on_surface": [0.5, 0.8, 0.6, 0.4, np.nan, 0.9],
            "inside": [0.1, 0.2, 0.4, 0.9, np.nan, np.nan],
            "expected": [0.3, 0.25, 0.25, 0.25, np.nan, np.nan],
            "surface": 0.7,
        }
    )
    found = average_maps(measured).set_index(["lowered", "answer"])
    assert [*found.index] == [("AD", "right"), ("AD", "wrong"), ("DLB", "wrong")]
    right = found.loc[("AD", "right")]
    assert right[["pictures", "patients", "empty"]].tolist() == [3, 2, 0]
    assert right[["inside", "expected", "on_surface", "surface"]].tolist() == pytest.approx([0.5, 0.25, 0.6, 0.7])
    assert np.isnan(right["inside_low"])  # of two patients
    others = [measured.assign(patient=measured["patient"] + str(k)) for k in range(3)]
    six = average_maps(pd.concat(others)).set_index(["lowered", "answer"]).loc[("AD", "right")]
    assert six["inside"] == pytest.approx(0.5)
    assert six["inside_low"] < 0.5 < six["inside_high"]
    wrong = found.loc[("AD", "wrong")]
    assert wrong[["pictures", "empty"]].tolist() == [1, 1] and np.isnan(wrong["inside"])


def test_examples_are_the_same_pictures_where_possible():
    names = list("abcdefg")
    lowered = pd.Series(["AD", "AD", "DLB", "NC", "AD", "DLB", "DLB"], names)
    right = pd.DataFrame(
        {"alexnet": [1, 1, 1, 0, 0, 0, 1], "googlenet": [1, 1, 1, 0, 1, 1, 0]}, index=names, dtype=bool
    )
    # Right: one of either class. Wrong: the only one of both networks, then one more of each.
    assert choose_examples(right, lowered) == ["a", "c", "d", "e", "g"]
    assert choose_examples(right | True, lowered) == ["a", "c"]


def test_pictures_are_counted(pictures):
    tables = {str(split): path for split, path in pictures.tables.items()} | {"test": pictures.test}
    found = count_pictures(tables).set_index(["split", "part"])
    assert found.loc[("published", "training"), ["AD", "DLB", "NC"]].tolist() == [9] * 3
    assert found.loc[("published", "validation"), "AD"] == found.loc[("disjoint", "validation"), "AD"] == 3
    assert found.loc[("published", "validation"), "people also trained on"] > 0
    assert found.loc[("disjoint", "validation"), "people also trained on"] == 0
    trained = found.loc[("disjoint", "training")]
    assert trained["people"] == trained["people also trained on"]
    test = found.loc[("published", "test")]
    assert test[["AD", "people", "people also trained on"]].tolist() == [4, 6, 0]


def test_people_whose_names_are_the_same_number(pictures, tmp_path):
    """01, who is trained on, was taken for 1, who is tested."""
    tables = {str(split): path for split, path in pictures.tables.items()} | {"test": pictures.test}
    for name, path in tables.items():
        table = pd.read_csv(path, sep="\t", dtype=str)
        column = "group" if "group" in table else "base_subject"
        numbers = 1 + pd.Series(pd.factorize(table[column])[0])
        table[column] = numbers.map("{:d}".format if name == "test" else "{:02d}".format)
        tables[name] = tmp_path / path.name
        table.to_csv(tables[name], sep="\t", index=False)
    found = count_pictures(tables).set_index(["split", "part"])
    assert found.loc[("published", "test"), "people also trained on"] == 0
    assert found.loc[("published", "validation"), "people also trained on"] > 0

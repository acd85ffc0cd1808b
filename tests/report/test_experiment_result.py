"""The first lines of an experiment's report: few comparisons in full, of many what matters."""

from functools import partial

import pandas as pd

from mtseg.report.experiment import _folds, _task
from mtseg.report.experiment import main_result as result
from mtseg.tasks import Head, Kind

main_result = partial(result, heads=[Head("outcome", Kind.CLASSES, ("poor", "good"))])


def primary(*corrected: float | None, family: str = "primary") -> pd.DataFrame:
    rows = [
        {
            "variant": f"v{i}",
            "family": family,
            "task": "seg",
            "metric": "dice_mean",
            "structure_or_class": "all",
            "p_holm": p,
            "n": 60,
        }
        | {"value": 0.8, "reference_value": 0.7, "difference": 0.1, "low": 0.0, "high": 0.2}
        for i, p in enumerate(corrected)
    ]
    return pd.DataFrame(rows)


def test_few_in_full():
    said = main_result(primary(0.2, 0.5), pd.DataFrame(), "joint")
    assert said.count(" against joint, ") == 2 and "p = 0.500 after Holm, n = 60." in said


def test_of_many_the_significant_ones():
    said = main_result(primary(0.01, 0.3, 0.04, 1.0, None), pd.DataFrame(), "joint")
    assert said.startswith("Of 4 primary comparisons 2 have p < 0.05 after Holm: v0 against joint")
    assert "v2 against" in said and "v1 against" not in said


def test_of_many_the_nearest_where_none_is():
    said = main_result(primary(0.9, 0.3, 0.7, 1.0), pd.DataFrame(), "joint")
    assert said.startswith("Of 4 primary comparisons 0 have p < 0.05 after Holm; nearest to it is v1 against joint")
    assert said.count("against") == 1


def test_what_was_not_chosen_before_is_not_called_primary():
    said = main_result(primary(0.9, 0.3, 0.7, 1.0, family="secondary"), pd.DataFrame(), "joint")
    assert said.startswith("Of 4 comparisons, none of them primary, 0 have p < 0.05")


def test_none_could_be_tested():
    said = main_result(primary(None, None, None, None), pd.DataFrame(), "joint")
    assert said == "None of 4 comparisons could be tested, see below."


def test_a_small_p_is_written_as_one():
    assert "(0 to 0.200), p < 0.001 after Holm" in main_result(primary(0.0002), pd.DataFrame(), "joint")


def pooled(*rows: tuple) -> pd.DataFrame:
    columns = ["variant", "fold", "seed", "task", "metric", "structure_or_class", "value"]
    return pd.DataFrame(rows, columns=columns).assign(low=0.1, high=0.9, n=60, n_missing=0)


def test_without_comparisons_the_variant_and_all_its_tasks():
    rows = [(name, "all", "all", "outcome", "auc", "good", 0.7) for name in ("other", "joint")]
    rows += [
        ("joint", "all", "all", "seg", *what) for what in (("dice_mean", "lesion", 0.8), ("asd_mm_mean", "lesion", 2))
    ]
    said = main_result(pd.DataFrame(), pooled(*rows), "joint")
    assert said.startswith("joint: Dice 0.800 (95 % CI: 0.100 to 0.900) over 60 subjects; outcome AUC 0.700 (")
    assert main_result(pd.DataFrame(), pooled(*rows), "failed").startswith("other: outcome AUC 0.700")


def test_a_variant_may_be_called_all():
    table = _task(pooled(*((name, "all", "all", "outcome", "auc", "good", 0.7) for name in ("all", "t1"))), "outcome")
    assert [row[0].text for row in table.table.rows] == ["all", "t1"]


def test_folds_are_sorted_as_numbers():
    folds = [str(k) for k in range(11)]
    table = _folds(pooled(*(("joint", k, "all", "outcome", "auc", "good", 0.7) for k in ("all", *folds))))
    assert table.columns == ["variant", "measure", "pooled", *(f"fold {k}" for k in folds)]

"""The first lines of an experiment's report: few comparisons in full, of many what matters."""

import pandas as pd

from mtseg.report.experiment import main_result


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

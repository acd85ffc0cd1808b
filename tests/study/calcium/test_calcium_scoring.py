"""Scores of the answers, against numbers counted by hand and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from mtseg.errors import InputError
from mtseg.study.calcium.scoring import average_precision, score_cells, score_rules

LABELS = ("c01", "c02", "none")
ROWS = [  # frame, event, true, probabilities of c01, c02, none
    ("f0", "e1", "c01", 0.9, 0.2, 0.1),  # right, exact
    ("f1", "e1", "c01", 0.4, 0.3, 0.2),  # right, but nothing is said at .5
    ("f2", "e2", "c01;c02", 0.3, 0.8, 0.1),  # right by one of the two
    ("f3", "e2", "c01;c02", 0.6, 0.7, 0.1),  # right, exact
    ("f4", "e3", "none", 0.1, 0.2, 0.9),  # right, exact
    ("f5", "e4", "none", 0.8, 0.1, 0.7),  # wrong
    ("f6", "e4", "c02", 0.2, 0.1, 0.3),  # wrong
    ("f7", "e5", "c01", 0.7, 0.6, 0.1),  # right
]
NAMES = ["participant_id", "event", "stimulated_target", *(f"stimulated_prob_{label}" for label in LABELS)]
CASES = pd.DataFrame(ROWS, columns=NAMES)
EVENTS = dict(zip(CASES["participant_id"], CASES["event"], strict=True))


AGAIN = CASES.assign(**{name: CASES[name] + "again" for name in ("participant_id", "event")})
TWICE = pd.concat([CASES, AGAIN], ignore_index=True)
"""Ten events instead of five, of which there is no interval."""


def by_rule(cases, **given):
    return score_rules(cases, **{"labels": LABELS, "events": EVENTS} | given).set_index("rule")


def test_rules_by_hand():
    found = by_rule(CASES)
    assert found["value"]["right_strongest"] == 6 / 8
    assert found["value"]["exact_match"] == 3 / 8
    assert found["n_frames"].tolist() == [8] * 3
    assert found["n_events"].tolist() == [5] * 3
    truth = np.array([[label in cell.split(";") for label in LABELS] for cell in CASES["stimulated_target"]])
    macro = average_precision_score(truth, CASES[NAMES[3:]].to_numpy(), average="macro")
    assert found["value"]["macro_average_precision"] == pytest.approx(macro)
    assert found[["low", "high"]].isna().all(axis=None)
    twice = by_rule(TWICE, events=dict(zip(TWICE["participant_id"], TWICE["event"], strict=True)))
    assert twice["value"].tolist() == pytest.approx(found["value"].tolist())
    assert (twice["low"] < twice["value"]).all()
    assert (twice["high"] > twice["value"]).all()


def test_chance_by_hand():
    """Ten labels in 8 frames of 3 outputs; c01 is in 5 frames; four sets, of which c01 alone is most frequent."""
    found = by_rule(CASES)
    assert found["chance"]["right_strongest"] == pytest.approx(np.mean([1, 1, 2, 2, 1, 1, 1, 1]) / 3)
    assert found["majority"]["right_strongest"] == 5 / 8
    assert found["chance"]["exact_match"] == 1 / 4
    assert found["majority"]["exact_match"] == 3 / 8
    assert found["chance"]["macro_average_precision"] == pytest.approx(np.mean([5, 3, 2]) / 8)


def test_pairs_only_reach_two_of_all_units_by_chance():
    rng = np.random.default_rng(0)
    labels = [*(f"c{n:02d}" for n in range(1, 10)), "none"]
    frames = [f"f{i}" for i in range(1500)]
    pairs = [";".join(rng.choice(labels[:-1], 2, replace=False)) for _ in frames]
    cases = pd.DataFrame({"participant_id": frames, "stimulated_target": pairs})
    cases[[f"stimulated_prob_{label}" for label in labels]] = rng.random((len(frames), len(labels)))
    found = _right(cases, labels)
    assert found["chance"] == pytest.approx(2 / 10)
    assert found["value"] == pytest.approx(2 / 10, abs=0.03)


def _right(cases, labels):
    frames = cases["participant_id"]
    events = {frame: f"e{i // 75}" for i, frame in enumerate(frames)}
    return score_rules(cases, labels=labels, events=events).set_index("rule").loc["right_strongest"]


def test_intervals_are_over_events():
    """The same frames are worth less if all of an event are alike."""
    rng = np.random.default_rng(1)
    right = np.repeat(rng.random(20) < 0.6, 10)
    cases = pd.DataFrame({"participant_id": [f"f{i}" for i in range(200)], "stimulated_target": "c01"})
    cases["stimulated_prob_c01"], cases["stimulated_prob_none"] = right * 1.0, 0.5
    widths = []
    for length in (1, 10):
        events = {frame: f"e{i // length}" for i, frame in enumerate(cases["participant_id"])}
        found = score_rules(cases, labels=("c01", "none"), events=events).set_index("rule").loc["right_strongest"]
        assert found["value"] == right.mean()
        widths.append(found["high"] - found["low"])
    assert widths[1] == pytest.approx(np.sqrt(10) * widths[0], rel=0.25)


def test_cells_by_hand():
    found = score_cells(CASES, labels=LABELS, events=EVENTS).set_index("cell")
    assert found["n_frames"].tolist() == [5, 3, 2]
    assert found["n_events"].tolist() == [3, 2, 2]
    assert found["right_strongest"].tolist() == [1, 2 / 3, 1 / 2]
    assert found["recall"].tolist() == [3 / 5, 2 / 3, 1]
    for label in LABELS:
        true = CASES["stimulated_target"].str.contains(label)
        expected = average_precision_score(true, CASES[f"stimulated_prob_{label}"])
        assert found.loc[label, "average_precision"] == pytest.approx(expected)
    events = dict(zip(TWICE["participant_id"], TWICE["event"], strict=True))
    twice = score_cells(TWICE, labels=LABELS, events=events).set_index("cell").loc["c01"]
    assert np.isnan(twice["right_strongest_low"])  # all are right: no interval that would claim certainty
    assert twice["recall_low"] < 3 / 5 < twice["recall_high"]
    assert np.isnan(found.loc["c01", "recall_low"])  # of three events


def test_a_label_that_does_not_occur():
    found = score_cells(CASES[:4], labels=LABELS, events=EVENTS).set_index("cell").loc["none"]
    assert found["n_frames"] == 0
    assert found[["right_strongest", "recall", "average_precision"]].isna().all()
    rules = by_rule(CASES[:4])
    macro = [average_precision_score([1, 1, 1, 1], [0.9, 0.4, 0.3, 0.6]), 1.0]
    assert rules["value"]["macro_average_precision"] == pytest.approx(np.mean(macro))
    assert rules["chance"]["macro_average_precision"] == pytest.approx(np.mean([1, 0.5]))


def test_average_precision_is_that_of_scikit_learn():
    rng = np.random.default_rng(2)
    for _ in range(50):
        target, score = rng.random(30) < 0.3, rng.random(30).round(1)  # with ties
        weight = rng.integers(0, 3, (4, 30))
        weight[:, np.flatnonzero(target)[:1]] += 1
        found = average_precision(target, score, weight)
        np.testing.assert_allclose(found, [average_precision_score(target, score, sample_weight=w) for w in weight])


def test_frames_without_answer_do_not_count():
    cases = CASES.copy()
    cases.loc[5, "stimulated_prob_c01"] = np.nan
    cases.loc[6, "stimulated_target"] = None
    found = by_rule(cases)
    assert found["n_frames"].tolist() == [6] * 3
    assert found["value"]["right_strongest"] == 1


def test_refusals():
    with pytest.raises(InputError, match=r"frames without an event: f0, f1\. Give every frame one"):
        by_rule(CASES, events={k: v for k, v in EVENTS.items() if v != "e1"})
    with pytest.raises(InputError, match="no frame has a target and an answer"):
        by_rule(CASES.assign(stimulated_target=None))

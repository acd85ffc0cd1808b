"""How well a network tells the stimulated cells: the paper's rule, stricter ones, and what chance would reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtseg.data.checks.notes import first_few
from mtseg.errors import InputError
from mtseg.keys import Column
from mtseg.statistics import Estimate, answers, estimate
from mtseg.statistics.summary import RESAMPLES
from mtseg.study.calcium.columns import STIMULATED
from mtseg.tasks import Head, Kind


def score_rules(cases: pd.DataFrame, *, labels: Sequence[str], events: Mapping[str, str]) -> pd.DataFrame:
    """Score the answers to all frames by three rules.

    right_strongest: the share of frames whose strongest output (of several the first) is one of their labels. This is
    the paper's rule; it asks for one cell of a pair only, and is easy where one label is frequent.
    exact_match: the share of frames whose outputs of .5 or more are their labels and no others.
    macro_average_precision: the mean over labels of the area under the precision-recall curve.

    Intervals (95 %) are over events, because frames of one event are not independent. A dozen events give a rough one,
    fewer than six none.

    Args:
        cases: One row per frame: participant_id, stimulated_target (labels separated by ';') and
            stimulated_prob_<label>. Rows without target or answer do not count.
        labels: All outputs, the one for no stimulation among them.
        events: The event of each participant_id.

    Returns:
        A row per rule: rule, value, low, high, chance, majority, n_frames, n_events. `chance` is what a random answer
        reaches: for right_strongest the mean of (labels of the frame) / (all labels), for exact_match one of the sets
        of labels that occur, for the average precision how frequent labels are. `majority` is what is reached without
        looking, by always answering the most frequent label, or set of labels, of these very frames.

    Raises:
        InputError: Frames without an event, or none that can be scored.
    """
    found = _outputs(cases, labels=labels, events=events)
    share, sets = found.target.mean(axis=0), np.unique(found.target, axis=0, return_counts=True)[1]
    occurring = share[share > 0].mean()
    rules = {
        "right_strongest": (_mean(found.right, found.event), share.mean(), share.max()),
        "exact_match": (_mean(found.exact, found.event), 1 / len(sets), sets.max() / sets.sum()),
        "macro_average_precision": (_macro_precision(found), occurring, occurring),
    }
    rows = [
        (rule, value.value, value.low, value.high, chance, majority, len(found.event), len(np.unique(found.event)))
        for rule, (value, chance, majority) in rules.items()
    ]
    columns = ["rule", "value", "low", "high", "chance", "majority", "n_frames", "n_events"]
    return pd.DataFrame(rows, columns=columns)


def score_cells(cases: pd.DataFrame, *, labels: Sequence[str], events: Mapping[str, str]) -> pd.DataFrame:
    """Score the answers label by label.

    Args:
        cases: See `score_rules`.
        labels: See `score_rules`.
        events: See `score_rules`.

    Returns:
        A row per label: cell, n_frames and n_events (that show it), right_strongest (of these frames, the share whose
        strongest output is one of their labels), recall (the share in which the label's own output is .5 or more),
        each with _low and _high over events, and average_precision. NaN where no frame shows it.

    Raises:
        InputError: See `score_rules`.
    """
    found = _outputs(cases, labels=labels, events=events)
    rows = []
    for k, label in enumerate(labels):
        true, probability = found.target[:, k], found.probability[:, k]
        event = found.event[true]
        row = {"cell": label, "n_frames": len(event), "n_events": len(np.unique(event))}
        for name, right in {"right_strongest": found.right, "recall": found.predicted[:, k]}.items():
            share = _mean(right[true], event)
            row |= {name: share.value, f"{name}_low": share.low, f"{name}_high": share.high}
        rows.append(row | {"average_precision": float(average_precision(true, probability, np.ones(len(true))))})
    return pd.DataFrame(rows)


def average_precision(target: np.ndarray, score: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean precision at each score, weighted by how much recall it adds, as in scikit-learn.

    That takes one sample at a time; this takes thousands of resamples in one call.

    Args:
        target: Bool (n,).
        score: Higher = more positive, (n,).
        weight: How often each counts, (..., n).

    Returns:
        (...); NaN where nothing positive counts.

    >>> float(average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]), np.ones(3)).round(3))
    0.833
    """
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.diff(score[order], append=-np.inf))  # of those alike
    hits, said = (np.cumsum(w[..., order], axis=-1)[..., last] for w in (weight * target, weight))
    precision = np.divide(hits, said, out=np.zeros(hits.shape), where=said > 0)
    with np.errstate(invalid="ignore"):
        return (np.diff(hits, axis=-1, prepend=0) * precision).sum(axis=-1) / hits[..., -1]


@dataclass(frozen=True)
class _Outputs:
    """The frames that can be scored: (n, labels) each, and the code of each frame's event (n,)."""

    target: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray
    event: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Whether the strongest output is one of the frame's labels, bool (n,)."""
        return np.take_along_axis(self.target, self.probability.argmax(axis=1)[:, None], axis=1)[:, 0]

    @property
    def exact(self) -> np.ndarray:
        """Whether the outputs of .5 or more are the frame's labels, bool (n,)."""
        return (self.predicted == self.target).all(axis=1)


def _outputs(cases: pd.DataFrame, *, labels: Sequence[str], events: Mapping[str, str]) -> _Outputs:
    found = answers(cases, Head(STIMULATED, Kind.LABELS, tuple(labels)))
    if not len(found.subjects):
        raise InputError(f"no frame has a target and an answer ({STIMULATED}_target, {STIMULATED}_prob_…)")
    frames = cases[Column.SUBJECT].iloc[found.subjects]
    if without := [frame for frame in frames if frame not in events]:
        raise InputError(f"frames without an event: {first_few(without)}. Give every frame one")
    event = pd.factorize(frames.map(dict(events)))[0]
    return _Outputs(found.target == 1, found.predicted == 1, found.probability, event)


def _mean(right: np.ndarray, event: np.ndarray) -> Estimate:
    """Share of the frames (n,) that are right, with its interval over their events."""
    codes = np.unique(event, return_inverse=True)[1]
    hits, frames = np.bincount(codes, weights=right), np.bincount(codes)
    everyone = [np.arange(len(frames))]
    return estimate(lambda i: hits[i].sum(axis=-1) / frames[i].sum(axis=-1), everyone, resamples=RESAMPLES)


def _macro_precision(found: _Outputs) -> Estimate:
    """Mean over the labels that occur; in a resample, over those that occur in it."""
    count = found.event.max() + 1

    def statistic(i: np.ndarray) -> np.ndarray:
        rows = i.reshape(-1, i.shape[-1])
        places = rows + count * np.arange(len(rows))[:, None]
        drawn = np.bincount(places.ravel(), minlength=count * len(rows)).reshape(*i.shape[:-1], count)
        weight = drawn[..., found.event]
        of_label = [average_precision(*pair, weight) for pair in zip(found.target.T, found.probability.T, strict=True)]
        return np.nanmean(of_label, axis=0)

    return estimate(statistic, [np.arange(count)], resamples=RESAMPLES)

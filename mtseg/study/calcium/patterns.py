"""Whether the maps of stimulation patterns look more, or less, alike in one condition than in another."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtseg.cam.similarity import SimilarityChange, compare_similarity, similarity_sums
from mtseg.errors import InputError
from mtseg.keys import Column
from mtseg.study.calcium.columns import CONDITION, NOTHING, STIMULATED

MEASURES = ("full_sum", "off_diagonal_sum", "mean")
"""Of a similarity matrix, see `mtseg.cam.similarity.Sums`."""


@dataclass(frozen=True, eq=False)
class PatternChange:
    """What becomes of the similarity between patterns.

    Attributes:
        similarity: The two ZNCC matrices, and the p of the change of their full sum.
        sums: measure (full_sum, off_diagonal_sum, mean), one column per condition, difference (second minus first).
            The diagonal of ones is the same in both, so p holds for all three, unless a map without variance (NaN in
            a matrix) does not count.
        left_out: Patterns of one condition only.
    """

    similarity: SimilarityChange
    sums: pd.DataFrame
    left_out: tuple[str, ...]


def compare_patterns(
    frames: pd.DataFrame, maps: np.ndarray, *, conditions: tuple[str, str], mask: np.ndarray | None = None
) -> PatternChange:
    """Compare how alike the patterns' mean maps are in two conditions.

    The maps of the frames of one event that show one pattern are averaged, then these of each pattern. Events are
    exchanged between the conditions to test the change (`mtseg.cam.similarity.compare_similarity`). No stimulation is
    no pattern. Where cells are stimulated by themselves an event can show several patterns; its maps count as
    independent then, which makes p somewhat too small.

    Args:
        frames: One row per map: condition, stimulated (the pattern), group (the event), as of `prepare_frames`.
        maps: One per frame (frames, rows, columns), any unit.
        conditions: Second minus first is the difference.
        mask: Bool (rows, columns): pixels that count; by default all.

    Raises:
        InputError: Not one map per row, other conditions, or fewer than two patterns that both conditions have.
    """
    if len(maps) != len(frames):
        raise InputError(f"{len(maps)} maps for {len(frames)} frames: give every frame one")
    shown = frames.reset_index(drop=True)
    shown = shown[shown[STIMULATED].ne(NOTHING)]
    of_condition = [patterns_of(shown[shown[CONDITION].eq(condition)]) for condition in conditions]
    common = set.intersection(*of_condition)
    if len(common) < 2:
        raise InputError(f"{len(common)} patterns are in both {' and '.join(conditions)}: two are needed at least")
    events, of_events = _of_events(shown[shown[STIMULATED].isin(common)], maps)
    similarity = compare_similarity(
        of_events,
        patterns=events[STIMULATED].tolist(),
        labels=events[CONDITION].tolist(),
        conditions=conditions,
        mask=mask,
    )
    found = [similarity_sums(matrix) for matrix in (similarity.first, similarity.second)]
    sums = pd.DataFrame(
        [[one.full, one.off_diagonal, one.mean] for one in found], index=list(conditions), columns=[*MEASURES]
    )
    sums = sums.T.rename_axis("measure").reset_index()
    sums["difference"] = sums[conditions[1]] - sums[conditions[0]]
    return PatternChange(similarity, sums, tuple(sorted(set.union(*of_condition) - common)))


def patterns_of(frames: pd.DataFrame) -> set[str]:
    """The patterns that frames show; no stimulation is none."""
    return {*frames[STIMULATED]} - {NOTHING}


def mean_pattern_maps(frames: pd.DataFrame, maps: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Average the maps of one condition as `compare_patterns` does.

    Returns:
        The patterns, and the mean map of each (patterns, rows, columns).
    """
    shown = frames.reset_index(drop=True)
    events, of_events = _of_events(shown[shown[STIMULATED].ne(NOTHING)], maps)
    patterns = tuple(sorted(events[STIMULATED].unique()))
    return patterns, np.array([of_events[events[STIMULATED].eq(name)].mean(axis=0) for name in patterns])


def _of_events(shown: pd.DataFrame, maps: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """The events that show each pattern, and the mean of each one's maps; the index of `shown` says which these are."""
    rows = shown.reset_index(names="row")
    events = rows.groupby([CONDITION, STIMULATED, Column.GROUP.value])["row"].agg(list).reset_index()
    return events, np.array([maps[row].mean(axis=0) for row in events["row"]])

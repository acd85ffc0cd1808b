"""What is drawn and what is held out: as many as asked, evenly, and nobody in two folds where that is promised."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtseg.errors import InputError
from mtseg.ssp import Reference
from mtseg.study.perfusion.displays import (
    TRAINING,
    UNUSED,
    VALIDATION,
    WAYS,
    Display,
    Split,
    divide,
    draw_displays,
)

numbers = st.integers(2, 30).flatmap(
    lambda bases: st.tuples(st.just(bases), st.integers(bases, min(400, bases * len(WAYS))), st.integers(0, 5))
)


@given(numbers)
def test_as_many_as_asked_are_drawn_and_none_twice_and_evenly(drawn):
    bases, count, seed = drawn
    displays = draw_displays([WAYS] * bases, count=count, seed=seed)
    assert len(set(displays)) == len(displays) == count
    shares = Counter(display.base for display in displays)
    assert set(shares) == set(range(bases)) and max(shares.values()) - min(shares.values()) <= 1
    assert displays == draw_displays([WAYS] * bases, count=count, seed=seed)
    assert displays == tuple(sorted(displays))


def test_another_seed_draws_others():
    first, second = (draw_displays([WAYS] * 4, count=20, seed=seed) for seed in (0, 1))
    assert first != second


def test_all_ways_can_be_drawn_and_unsuitable_ones_never_are():
    assert len(WAYS) == len(set(WAYS)) == 4 * 3 * 4
    ways = [WAYS, [way for way in WAYS if way[0] is not Reference.PNS], WAYS[:2]]
    displays = draw_displays(ways, count=48 + 36 + 2, seed=0)
    assert {display[1:] for display in displays if display.base == 1} == set(ways[1])
    with pytest.raises(InputError, match=r"pictures per class: 87, but 3 normal subjects.* from 1 to 86\. Ask for"):
        draw_displays(ways, count=87, seed=0)
    with pytest.raises(InputError, match="pictures per class: 0"):
        draw_displays(ways, count=0, seed=0)


@given(numbers, st.data())
def test_the_published_split_holds_out_any(drawn, data):
    bases, count, seed = drawn
    displays = draw_displays([WAYS] * bases, count=count, seed=seed)
    validation = data.draw(st.integers(1, count - 1))
    folds = divide(displays, Split.PUBLISHED, validation=validation, seed=seed)
    assert Counter(folds.tolist()) == {VALIDATION: validation, TRAINING: count - validation}


@given(numbers, st.data())
def test_the_disjoint_split_shares_nobody_and_holds_out_as_few_as_it_can(drawn, data):
    bases, count, seed = drawn
    displays = draw_displays([WAYS] * bases, count=count, seed=seed)
    shares = sorted(Counter(display.base for display in displays).values(), reverse=True)
    validation = data.draw(st.integers(1, sum(shares[:-1])))
    folds = divide(displays, Split.DISJOINT, validation=validation, seed=seed)
    fold_of = {fold: {d.base for d, f in zip(displays, folds, strict=True) if f == fold} for fold in set(folds)}
    held_out = {d.base for d, f in zip(displays, folds, strict=True) if f != TRAINING}
    assert (folds == VALIDATION).sum() == validation
    assert held_out.isdisjoint(fold_of[TRAINING]) and fold_of.get(UNUSED, set()) <= held_out
    assert sum(shares[: len(held_out) - 1]) < validation


def test_the_published_numbers_leave_both_splits_as_much_to_train_on():
    displays = draw_displays([WAYS] * 28, count=369, seed=0)
    for split in Split:
        folds = divide(displays, split, validation=28, seed=0)
        assert Counter(folds.tolist()) == {VALIDATION: 28, TRAINING: 341}


def test_a_split_that_leaves_none_to_train_on_is_refused():
    displays = [Display(base, *way) for base in range(2) for way in WAYS[:3]]
    with pytest.raises(InputError, match=r"4 of 6, from 2 normal subjects, .* in the disjoint split"):
        divide(displays, Split.DISJOINT, validation=4, seed=0)
    assert np.count_nonzero(divide(displays, Split.PUBLISHED, validation=4, seed=0) == VALIDATION) == 4
    for validation in (0, 6):
        with pytest.raises(InputError, match="published split"):
            divide(displays, Split.PUBLISHED, validation=validation, seed=0)

"""Four views as one picture: grey values that mean Z, and regions where they lie."""

import numpy as np
import pytest

from mtseg.cam import read_atlas
from mtseg.errors import InputError
from mtseg.ssp import Pattern, mni_surface
from mtseg.study.perfusion.composite import composite, grey_values, lowered_regions, seen_surface
from mtseg.study.perfusion.displays import Window

SIZE = 96
HALF = SIZE // 2


@pytest.fixture(scope="module")
def regions(phantom):
    return {pattern: lowered_regions(pattern, atlas=phantom.read, size=SIZE) for pattern in Pattern}


def middle(picture) -> float:
    """Middle of the pixels, from 0 at the left edge to 1 at the right one."""
    return np.nonzero(picture)[1].mean() / (picture.shape[1] - 1)


def test_grey_is_where_z_lies_in_the_window():
    window, points = Window(1.0, 5.0), len(mni_surface().points)
    seen = seen_surface(size=SIZE)
    for z, grey in ((0.0, 0), (1.0, 0), (2.0, 0.25), (5.0, 1), (9.0, 1), (np.nan, 0)):
        picture = grey_values(np.full(points, z, dtype=np.float32), window, size=SIZE)
        assert picture.shape == (SIZE, SIZE)
        assert (picture[seen] == grey).all() and (picture[~seen] == 0).all()


@pytest.mark.parametrize("size", [64, 247])
def test_any_size_shows_the_whole_surface(size):
    seen = seen_surface(size=size)
    assert seen.shape == (size, size)
    assert 0.4 < seen.mean() < 0.7
    assert not (seen[0].any() or seen[-1].any() or seen[:, 0].any() or seen[:, -1].any())


def test_right_and_left_have_their_places():
    x = composite(mni_surface().points[:, 0].astype(np.float32), size=SIZE)
    assert (np.nanmin(x[:, :HALF]), np.nanmax(x[:, HALF:])) == pytest.approx((0.1, -0.1), abs=0.01)
    y = composite(mni_surface().points[:, 1].astype(np.float32), size=SIZE)
    to_the_right = [np.nanmean(part[:, HALF // 2 :]) - np.nanmean(part[:, : HALF // 2]) for part in quarters(y)]
    assert [float(np.sign(step)) for step in to_the_right] == [1, -1, -1, 1]  # right lateral: the front is right


def quarters(picture):
    return [
        picture[rows, half] for rows in (slice(HALF), slice(HALF, None)) for half in (slice(HALF), slice(HALF, None))
    ]


def test_the_regions_lie_behind_on_both_sides_and_a_normal_subject_has_none(regions):
    assert not regions[Pattern.NC].any()
    for pattern in (Pattern.AD, Pattern.DLB):
        assert not (regions[pattern] & ~seen_surface(size=SIZE)).any()
        places = [middle(part) for part in quarters(regions[pattern])]
        assert max(places[0], places[3]) < 0.5 < min(places[1], places[2])  # where the back is
        right, left = quarters(regions[pattern])[:2]
        assert right.sum() == pytest.approx(left.sum(), rel=0.15)
    ad, dlb = (np.nonzero(quarters(regions[pattern])[0])[1].mean() for pattern in (Pattern.AD, Pattern.DLB))
    assert dlb < ad  # further behind
    overlap = (regions[Pattern.AD] & regions[Pattern.DLB]).sum()
    assert overlap < 0.25 * regions[Pattern.DLB].sum()


def test_an_atlas_without_the_regions_is_refused(without_precuneus):
    with pytest.raises(InputError, match="no region named Precuneus_L, Precuneus_R"):
        lowered_regions(Pattern.AD, atlas=read_atlas(without_precuneus), size=SIZE)

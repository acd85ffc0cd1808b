"""Pictures of a map: through which places, in which planes, with which words."""

import nibabel as nib
import numpy as np
import pytest
from nilearn.plotting.displays import BaseSlicer

from mtseg.cam.picture import _common, _planes, draw, write_page


@pytest.mark.parametrize(
    ("where", "planes"),
    [(np.s_[:, :, :], "ortho"), (np.s_[:, :, 3], "z"), (np.s_[:, 4, :], "y"), (np.s_[:0], "ortho")],
)
def test_a_map_in_one_slice_is_drawn_in_that_plane(where, planes):
    values = np.zeros((6, 7, 8))
    values[where] = 1
    assert _planes(nib.Nifti1Image(values, np.eye(4))) == planes
    turned = nib.Nifti1Image(values.transpose(2, 0, 1), np.eye(4)[:, [2, 0, 1, 3]])
    assert _planes(turned) == planes


def test_a_slice_stored_as_a_volume_is_drawn_even_without_a_map():
    assert _planes(nib.Nifti1Image(np.zeros((6, 1, 8)), np.eye(4))) == "y"


def images(*, place: tuple[int, int, int] | None = None) -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    """An anatomy, and a map of one voxel or of none."""
    affine, values = np.diag([2.0, 2, 2, 1]), np.zeros((10, 12, 8), np.float32)
    anatomy = nib.Nifti1Image(np.random.default_rng(0).random(values.shape, np.float32), affine)
    if place is not None:
        values[place] = 1
    return anatomy, nib.Nifti1Image(values, affine)


def test_an_empty_map_is_shown_on_the_middle_of_the_anatomy():
    """It was shown on its corner, where there is nothing but air."""
    assert _common(*images(place=(2, 3, 4)))["cut_coords"] == (4, 6, 8)
    assert _common(*images())["cut_coords"] == (10, 12, 8)


def test_the_words_above_a_map(tmp_path, monkeypatch):
    """A dollar sign began a formula; and a line was explained where there was none."""
    told: list[str] = []
    monkeypatch.setattr(BaseSlicer, "title", lambda _, text, **__: told.append(text), raising=True)
    anatomy, found = images(place=(2, 3, 4))
    for mask in (None, images()[1], found):
        draw(tmp_path / "cam.png", anatomy=anatomy, normalised=found, mask=mask, title="p0: cost <$5")
    assert [r"p0: cost <\$5" in text for text in told] == [True] * 3
    assert ["line: the mask" in text for text in told] == [False, False, True]


def test_a_title_with_what_looks_like_a_formula_is_drawn_as_it_stands(tmp_path):
    anatomy, found = images(place=(2, 3, 4))
    draw(tmp_path / "cam.png", anatomy=anatomy, normalised=found, mask=None, title="p0: cost $x_{$")
    assert (tmp_path / "cam.png").stat().st_size > 5000


@pytest.mark.filterwarnings("error:.*threshold")
@pytest.mark.parametrize("place", [(2, 3, 4), None])
def test_the_page_needs_no_network(place, tmp_path):
    anatomy, found = images(place=place)
    write_page(tmp_path / "cam.html", anatomy=anatomy, normalised=found, title="p0: cost <$5 (gradcam)")
    page = (tmp_path / "cam.html").read_text()
    assert page.count("p0: cost &lt;$5 (gradcam)</") == 2  # the window's and the page's title
    assert 'src="http' not in page and [*tmp_path.iterdir()] == [tmp_path / "cam.html"]

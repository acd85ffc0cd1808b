"""The SPECT template and AAL, where they lie beside the checkout."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from ball_phantom import stored

from mtseg.cam import read_atlas
from mtseg.ssp import (
    VIEWS,
    NormalDatabase,
    Pattern,
    Reference,
    lower_regions,
    mni_surface,
    project,
    reference_mean,
    simulate_normals,
    simulate_patient,
    view_maps,
)

DATA = Path(__file__).parents[3] / "shared" / "data" / "atlas"
NAMES = [view.name for view in VIEWS]

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the templates (../shared/data/atlas) are not here"),
]


@pytest.fixture(scope="module")
def aal():
    return read_atlas(DATA / "aal.nii.gz")


@pytest.fixture(scope="module")
def template():
    return nib.load(DATA / "spm_spect_template.nii.gz")


def lowered_pixels(template, aal, *names) -> dict[str, int]:
    """How many pixels of each view are more than 10 % lower."""
    surface = mni_surface()
    lowered = lower_regions(template, names, atlas=aal, reduction=0.35)
    share = 1 - project(lowered, surface) / project(template, surface)
    pictures = view_maps(surface).render(share)
    return dict(zip(NAMES, (pictures > 0.1).sum(axis=(1, 2)).tolist(), strict=True))


def test_the_template_is_perfused_alike_on_both_sides(template, aal):
    surface = mni_surface()
    assert surface is mni_surface() and view_maps(surface) is view_maps(surface)  # made once
    profile = project(template, surface) / reference_mean(template, Reference.CBL, atlas=aal)
    right, left = (view_maps(surface).render(profile)[NAMES.index(f"{side} lateral")] for side in ("right", "left"))
    both = np.isfinite(right) & np.isfinite(left[:, ::-1])
    assert both.sum() > 0.9 * np.isfinite(right).sum()
    assert np.corrcoef(right[both], left[:, ::-1][both])[0, 1] > 0.85
    assert all(reference_mean(template, reference, atlas=aal) > 1000 for reference in Reference)


def test_a_lowered_region_is_seen_on_its_own_side(template, aal):
    angular = lowered_pixels(template, aal, "Angular_R", "SupraMarginal_R")
    assert angular["right lateral"] > 100
    assert angular["left lateral"] == angular["left medial"] == angular["right medial"] == angular["inferior"] == 0
    precuneus = lowered_pixels(template, aal, "Precuneus_L")
    assert precuneus["left medial"] > 100
    hidden = ("right medial", "right lateral", "anterior", "inferior")
    assert max(precuneus[view] for view in hidden) < precuneus["left medial"] / 10


@pytest.mark.parametrize("order", ["LAS", "LPS", "PSR"])
def test_storage_order_changes_nothing(template, aal, order):
    again = stored(template, order)
    assert np.array_equal(project(again, mni_surface()), project(template, mni_surface()))
    for reference in Reference:
        assert reference_mean(again, reference, atlas=aal) == reference_mean(template, reference, atlas=aal)


def test_simulated_patients_have_z_where_they_were_lowered(template, aal):
    surface = mni_surface()

    def profile(image):
        return project(image, surface) / reference_mean(image, Reference.CBL, atlas=aal)

    normals = list(simulate_normals(template, subjects=8))
    profiles = {case.subject: profile(case.image) for case in normals}
    database = NormalDatabase.of(profiles, surface=surface, reference=Reference.CBL)
    n = len(normals)
    theory = np.sqrt(n / (n - 1) * (n - 2) / (n - 4))
    assert database.leave_one_out().std() == pytest.approx(theory, rel=0.1)
    base = normals[0]
    for pattern in (Pattern.AD, Pattern.DLB):
        patient = simulate_patient(base, pattern, atlas=aal)
        found = profile(patient.image)
        z = database.z(found, without=patient.subject)
        lowered = 1 - found / profiles[base.subject] > 0.15
        assert lowered.mean() > 0.02
        assert np.median(z[lowered]) > 2 > np.median(np.abs(z[~lowered]))

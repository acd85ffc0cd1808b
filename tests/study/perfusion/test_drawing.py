"""Cases against the normal subjects: without themselves, and never black all over."""

from dataclasses import replace

import numpy as np
import pytest

from mtseg.ssp import Pattern, Reference
from mtseg.study.perfusion.cases import project_normals, read_perfusion
from mtseg.study.perfusion.composite import grey_values
from mtseg.study.perfusion.displays import WAYS, Window
from mtseg.study.perfusion.drawing import Drawing
from mtseg.study.pictures import read_picture

SIZE = 64


@pytest.fixture(scope="module")
def known(phantom):
    return project_normals(5, template=read_perfusion(phantom.template), atlas=phantom.read, seed=0)


@pytest.fixture
def drawing(known, tmp_path):
    return Drawing.against([versions[0] for versions in known], out=tmp_path, size=SIZE)


def test_a_normal_subject_is_not_compared_with_itself(known, drawing):
    window = Window(1.0, 4.0)
    for normal, *_ in known:
        z = drawing.databases[Reference.GLB].z
        profile = normal.profile(Reference.GLB)
        row = drawing.draw("NC-001", normal, Reference.GLB, window, without=normal.subject)
        drawn = read_picture(drawing.out / row["picture"])
        apart = grey_values(z(profile, without=normal.subject), window, size=SIZE)
        shrunk = grey_values(z(profile), window, size=SIZE)
        np.testing.assert_array_equal(drawn, apart)
        assert drawn.mean() > 2 * shrunk.mean()  # compared with itself it looks too normal


def test_a_row_says_what_is_shown(known, drawing):
    _, patient, _ = known[1]
    assert drawing.draw("AD-007", patient, Reference.CBL, Window(1.5, 6.0), without="normal-02") == {
        "participant_id": "AD-007",
        "picture": "pictures/AD-007.nii.gz",
        "diagnosis": "AD",
        "base_subject": "normal-02",
        "case": "normal-02 AD",
        "reference": "CBL",
        "window_lower": 1.5,
        "window_upper": 6.0,
        "reduction": patient.reduction,
        "slice_axial": 0,
    }


def test_ways_that_would_show_nothing_are_left_out(known, drawing):
    """A subject with little activity in the pons has much everywhere else."""
    normal, *patients = known[0]
    assert set(drawing.ways([normal, *patients])) <= set(WAYS)
    normal = replace(normal, means={**normal.means, Reference.PNS: normal.means[Reference.PNS] / 3})
    ways = drawing.ways([normal, *patients])
    assert ways and not [way for way in ways if way[0] is Reference.PNS]
    for reference, window in ways:
        row = drawing.draw("a", normal, reference, window, without=normal.subject)
        assert read_picture(drawing.out / row["picture"]).max() > 0


def test_the_cases_of_a_subject_are_itself_and_its_patients(known):
    for versions in known:
        assert [case.pattern for case in versions] == [Pattern.NC, Pattern.AD, Pattern.DLB]
        assert len({case.subject for case in versions}) == 1
        normal, *patients = versions
        for patient in patients:
            share = 1 - patient.perfusion / np.where(normal.perfusion > 0, normal.perfusion, np.nan)
            assert 0.20 <= patient.reduction <= 0.35
            assert 0.6 * patient.reduction < np.nanmax(share) < patient.reduction + 1e-3

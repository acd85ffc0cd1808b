"""The normal database: mean, SD, n, and Z that are known beforehand."""

import numpy as np
import pytest

from mtseg.errors import InputError
from mtseg.ssp import NormalDatabase, Reference, Surface
from mtseg.ssp.database import SD_FLOOR

SUBJECTS, POINTS = 20, 20_000


@pytest.fixture(scope="module")
def surface() -> Surface:
    points = np.random.default_rng(1).normal(size=(POINTS, 3))
    return Surface(points, points, np.zeros((0, 3), int), points[:, 0] > 0)


def database(profiles, surface) -> NormalDatabase:
    named = {f"n{number:02d}": profile for number, profile in enumerate(profiles)}
    return NormalDatabase.of(named, surface=surface, reference=Reference.PNS)


@pytest.fixture(scope="module")
def gaussian(surface) -> NormalDatabase:
    return database(np.random.default_rng(0).normal(1, 0.1, (SUBJECTS, POINTS)), surface)


def test_the_mean_has_z_0_and_reduced_perfusion_is_positive(gaussian):
    mean, sd, n = gaussian.mean_sd_n()
    assert np.allclose(gaussian.z(mean), 0)
    assert np.allclose(gaussian.z(mean - 2 * sd), 2) and np.allclose(gaussian.z(mean + sd), -1)
    assert mean.mean() == pytest.approx(1, abs=0.01) and sd.mean() == pytest.approx(0.1, abs=0.002)
    assert (n == SUBJECTS).all()


def test_leave_one_out_z_of_normals_spreads_as_theory_says(gaussian):
    """Z sqrt((n-1)/n) is Student's t with n - 2 degrees of freedom, n counting the one left out."""
    z = gaussian.leave_one_out()
    expected = np.sqrt(SUBJECTS / (SUBJECTS - 1) * (SUBJECTS - 2) / (SUBJECTS - 4))
    assert z.std() == pytest.approx(expected, rel=0.01)
    assert z.mean() == pytest.approx(0, abs=0.01)
    itself = np.stack([gaussian.z(profile) for profile in gaussian.profiles])
    assert itself.std() < 1 < z.std()  # a member compared with itself looks too normal


def test_leaving_one_out_is_a_database_without_it(gaussian, surface):
    others = database(gaussian.profiles[1:], surface)
    assert np.allclose(gaussian.z(gaussian.profiles[0], without="n00"), others.z(gaussian.profiles[0]))


def test_a_chance_agreement_has_no_huge_z(gaussian, surface):
    profiles = gaussian.profiles.copy()
    profiles[:, 0] = 1.0
    z = database(profiles, surface).z(np.full(POINTS, 0.9, np.float32))
    assert z[0] == pytest.approx(0.1 / SD_FLOOR, rel=0.01)


def test_what_is_not_measured_does_not_count(gaussian, surface):
    profiles = gaussian.profiles.copy()
    profiles[:5, 0] = np.nan
    profiles[:-2, 1] = np.nan
    mean, sd, n = database(profiles, surface).mean_sd_n()
    assert n[:3].tolist() == [SUBJECTS - 5, 2, SUBJECTS]
    assert mean[0] == pytest.approx(profiles[5:, 0].mean(), rel=1e-5)
    assert sd[0] == pytest.approx(profiles[5:, 0].std(ddof=1), rel=1e-5)
    assert np.isnan(mean[1]) and np.isnan(sd[1])  # of two


def test_a_file_gives_the_same_database(gaussian, surface, tmp_path):
    gaussian.save(tmp_path / "normals.npz")
    again = NormalDatabase.load(tmp_path / "normals.npz", surface=surface)
    assert again.subjects == gaussian.subjects and again.reference is Reference.PNS
    assert np.array_equal(again.profiles, gaussian.profiles)
    with np.load(tmp_path / "normals.npz") as file:
        assert np.array_equal(file["mean"], gaussian.mean_sd_n()[0])


def test_the_file_has_the_name_that_was_given(gaussian, surface, tmp_path):
    """NumPy had put .npz behind it, and the file was not found then."""
    gaussian.save(tmp_path / "normals")
    assert [path.name for path in tmp_path.iterdir()] == ["normals"]
    assert NormalDatabase.load(tmp_path / "normals", surface=surface).subjects == gaussian.subjects


def test_a_file_of_another_surface_or_of_something_else_is_refused(gaussian, surface, tmp_path):
    gaussian.save(tmp_path / "normals.npz")
    other = Surface(surface.points + 1, surface.normals, surface.faces, surface.right)
    with pytest.raises(InputError, match="another surface"):
        NormalDatabase.load(tmp_path / "normals.npz", surface=other)
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "else.npz", a=1)
    for name in ("text.npz", "else.npz", "missing.npz"):
        with pytest.raises(InputError, match=rf"{name}: no normal database"):
            NormalDatabase.load(tmp_path / name, surface=surface)


def test_wrong_use_is_refused_in_words(gaussian, surface):
    with pytest.raises(InputError, match="2 subjects, but 3"):
        database(gaussian.profiles[:2], surface)
    with pytest.raises(InputError, match="n00: not projected to this surface"):
        database([gaussian.profiles[0, :-1], *gaussian.profiles[1:]], surface)
    with pytest.raises(InputError, match="has no subject nobody"):
        gaussian.z(gaussian.profiles[0], without="nobody")
    with pytest.raises(InputError, match="without n00 2 subjects"):
        database(gaussian.profiles[:3], surface).leave_one_out()
    with pytest.raises(InputError, match="Project the image"):
        gaussian.z(np.ones(7))

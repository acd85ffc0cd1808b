"""Views: what is where is seen there, and nowhere else."""

from itertools import product

import numpy as np
import pytest
from ball_phantom import RADIUS, ball, image_of, orders, stored
from hypothesis import given, settings

from mtseg.errors import InputError
from mtseg.ssp import VIEWS, Surface, four_views, project, surface_from_mask, view_maps, write_views
from mtseg.ssp.views import FOUR

SIZE = 64
NAMES = [view.name for view in VIEWS]


@pytest.fixture(scope="module")
def maps(sphere):
    return view_maps(sphere, size=SIZE)


def with_spot(centre):
    """A ball that is half as active near a place."""
    return image_of(lambda world: ball(world, radius=RADIUS + 4) * (1 - 0.5 * ball(world, centre=centre, radius=22)))


def seen(maps, sphere, centre) -> dict[str, np.ndarray]:
    """For each view that shows the spot, the middle of its pixels as (to the right, up) from -1 to 1."""
    pictures = maps.render(project(with_spot(centre), sphere, depth_mm=4.5))
    found = {}
    for name, picture in zip(NAMES, pictures, strict=True):
        rows, columns = np.nonzero(picture < 0.6)
        if len(rows) > 10:
            found[name] = np.array([columns.mean(), SIZE - 1 - rows.mean()]) / (SIZE - 1) * 2 - 1
    return found


@pytest.mark.parametrize("octant", list(product((1, -1), repeat=3)))
def test_a_spot_is_seen_from_its_own_sides_and_on_the_right_place(maps, sphere, octant):
    x, y, z = octant
    found = seen(maps, sphere, RADIUS * np.array(octant) / np.sqrt(3))
    assert set(found) == {
        "right lateral" if x > 0 else "left lateral",
        "anterior" if y > 0 else "posterior",
        "superior" if z > 0 else "inferior",
    }
    for view in VIEWS:
        if view.name in found:
            to_right, up = found[view.name]
            world = dict(zip("RAS", octant, strict=True)) | dict(zip("LPI", np.negative(octant), strict=True))
            assert np.sign(to_right) == world[view.edges[1]] == -world[view.edges[0]]
            assert np.sign(up) == (y if view.up[1] else z)


@pytest.mark.parametrize(("x", "name"), [(10, "right medial"), (-10, "left medial")])
def test_a_medial_spot_is_seen_on_its_hemispheres_medial_side_only(maps, sphere, x, name):
    image = image_of(lambda world: ball(world) * (1 - 0.5 * (ball(world, radius=24) & (world[..., 0] * x > -1))))
    pictures = maps.render(project(image, sphere, depth_mm=9))
    assert [view for view, picture in zip(NAMES, pictures, strict=True) if (picture < 0.6).sum() > 10] == [name]


def test_the_views_of_a_ball_are_discs(maps):
    disc = np.pi * (RADIUS * SIZE / 192) ** 2
    assert maps.index.shape == (8, SIZE, SIZE)
    assert np.allclose((maps.index >= 0).sum(axis=(1, 2)), disc, rtol=0.12)
    middle = maps.shade[:, SIZE // 2, SIZE // 2]
    assert (middle > 0.6).all() and maps.shade.max() <= 1


def test_hidden_points_are_never_shown(sphere, maps):
    for view, index in zip(VIEWS, maps.index, strict=True):
        shown = np.unique(index[index >= 0])
        towards = sphere.points[shown] @ view.camera
        assert towards.min() > -6  # the near side of the ball, or the medial wall
        if view.right is not None:
            assert (sphere.right[shown] == view.right).all()


def test_what_is_nearer_hides_what_is_behind():
    """Two balls before each other; from the front only the front one's middle is seen."""
    far, near = ball, lambda world: ball(world, centre=(0, 68, 0), radius=10)
    surface = surface_from_mask(image_of(lambda world: far(world) | near(world)))
    index = view_maps(surface, size=SIZE).index[NAMES.index("anterior"), SIZE // 2, SIZE // 2]
    assert surface.points[index, 1] > 70


@settings(max_examples=8)
@given(order=orders)
def test_the_views_are_the_same_however_mask_and_volume_are_stored(sphere, maps, order):
    image = with_spot((30, 20, 45))
    again = surface_from_mask(stored(image_of(ball), order))
    pictures = view_maps(again, size=SIZE).render(project(stored(image, order), again))
    assert np.array_equal(pictures, maps.render(project(image, sphere)), equal_nan=True)


def test_pictures_are_nan_outside_and_four_have_their_places(maps, sphere):
    pictures = maps.render(np.ones(len(sphere.points)))
    assert np.isnan(pictures[:, 0, 0]).all() and set(np.unique(pictures[np.isfinite(pictures)])) == {1.0}
    numbered = np.broadcast_to(np.arange(8.0)[:, None, None], pictures.shape)
    four = four_views(numbered)
    assert four.shape == (2 * SIZE, 2 * SIZE)
    assert [NAMES[int(four[row, column])] for row in (0, -1) for column in (0, -1)] == list(FOUR)


def test_a_surface_larger_than_a_picture_is_refused(sphere):
    with pytest.raises(InputError, match="192 mm"):
        view_maps(Surface(sphere.points * 2, sphere.normals, sphere.faces, sphere.right))


@pytest.mark.parametrize("name", ["z.png", "z"])
def test_a_picture_for_people_is_written(maps, sphere, tmp_path, name):
    values = sphere.points[:, 2].copy()
    values[:50] = np.nan
    write_views(tmp_path / name, values, maps, low=0, high=60, label="Z", title="a ball")
    assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")

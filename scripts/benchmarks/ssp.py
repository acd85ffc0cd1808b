"""3D-SSP of one volume."""

from time import perf_counter

import torch
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

from benchmarks.timing import seconds
from mtseg.cam.atlas import make_atlas
from mtseg.ssp import NormalDatabase, Reference, mni_surface, project, reference_mean, view_maps


def run() -> None:
    """Time 3D-SSP of a 2 mm volume: projection, reference region, Z against 28 normal subjects, eight views."""
    began = perf_counter()
    maps = view_maps(surface := mni_surface())
    made = perf_counter() - began
    image, atlas = load_mni152_template(resolution=2), make_atlas(load_mni152_brain_mask(resolution=2), {1: "brain"})
    people = torch.rand(28, len(surface.points)).numpy()
    profiles = {str(number): profile for number, profile in enumerate(people)}
    normals = NormalDatabase.of(profiles, surface=surface, reference=Reference.GLB)

    def views() -> None:
        profile = project(image, surface) / reference_mean(image, normals.reference, atlas=atlas)
        maps.render(normals.z(profile))

    print(f"{len(surface.points)} points: surface and views {made:.1f} s once, a volume {seconds(views) * 1e3:.0f} ms")

"""Three-dimensional stereotactic surface projections (3D-SSP) of perfusion: from a volume to Z on eight views."""

from mtseg.ssp.database import NormalDatabase
from mtseg.ssp.picture import write_views
from mtseg.ssp.projection import project
from mtseg.ssp.regions import Reference, Regions, reference_mean, region_mask
from mtseg.ssp.simulation import Case, Pattern, lower_regions, simulate_normals, simulate_patient
from mtseg.ssp.surface import Surface, fsaverage_surface, mni_surface, surface_from_mask
from mtseg.ssp.views import VIEWS, View, ViewMaps, four_views, view_maps

__all__ = [
    "VIEWS",
    "Case",
    "NormalDatabase",
    "Pattern",
    "Reference",
    "Regions",
    "Surface",
    "View",
    "ViewMaps",
    "four_views",
    "fsaverage_surface",
    "lower_regions",
    "mni_surface",
    "project",
    "reference_mean",
    "region_mask",
    "simulate_normals",
    "simulate_patient",
    "surface_from_mask",
    "view_maps",
    "write_views",
]

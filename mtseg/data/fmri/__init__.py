"""Maps of a 4D fMRI run: how strongly each voxel fluctuates, and with whom."""

from mtseg.data.fmri.alff import alff_falff
from mtseg.data.fmri.cohort import write_fmri_maps
from mtseg.data.fmri.connectivity import Region, Sphere, connectivity, parse_seeds, seed_voxels
from mtseg.data.fmri.maps import FmriMap, MapRecipe, compute_maps
from mtseg.data.fmri.reho import reho
from mtseg.data.fmri.run import Run, read_run

__all__ = [
    "FmriMap",
    "MapRecipe",
    "Region",
    "Run",
    "Sphere",
    "alff_falff",
    "compute_maps",
    "connectivity",
    "parse_seeds",
    "read_run",
    "reho",
    "seed_voxels",
    "write_fmri_maps",
]

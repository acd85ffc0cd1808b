"""Both habenulae of one head, by stage, beside a registration of an atlas."""

from resource import RUSAGE_SELF, getrusage
from tempfile import NamedTemporaryFile
from time import perf_counter

import nibabel as nib
from nilearn.datasets import load_mni152_template


def run(*atlas: str) -> None:
    """Time each stage of the first head, with what is loaded once, and of a second one; and the memory in all.

    Args:
        *atlas: T1 template and label of an atlas, to bring them to the same head by ANTs's SyN as well.
    """
    template = load_mni152_template(resolution=1)
    began = perf_counter()
    from mtseg.volumetry.scans.locate import locate
    from mtseg.volumetry.scans.measure import native_masks, volumes
    from mtseg.volumetry.scans.segment import segment
    from mtseg.volumetry.scans.structures import HABENULA

    stages = {"import": perf_counter() - began}
    for _ in range(2):
        began = perf_counter()
        located = locate(template)
        stages["locate"] = perf_counter() - began
        found = segment(template, located, HABENULA)
        stages["segment"] = perf_counter() - began - stages["locate"]
        mask, _ = native_masks(found, template, threshold=0.5)
        volumes(found, mask, structure=HABENULA, native_mm3=1.0, threshold=0.5)
        stages["measure"] = perf_counter() - began - stages["locate"] - stages["segment"]
        print(
            ", ".join(f"{name} {took:.1f} s" for name, took in stages.items()), f"in all {sum(stages.values()):.1f} s"
        )
        stages = {}
    print(f"memory at most {getrusage(RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")
    if atlas:
        print(f"registration of the atlas: {_register(template, *atlas):.1f} s")


def _register(head: nib.Nifti1Image, template: str, label: str) -> float:
    import ants

    with NamedTemporaryFile(suffix=".nii.gz") as file:
        nib.save(head, file.name)
        fixed, moving = ants.image_read(file.name), ants.image_read(template)
    began = perf_counter()
    found = ants.registration(fixed, moving, type_of_transform="SyN")
    transforms = found["fwdtransforms"]
    ants.apply_transforms(fixed, ants.image_read(label), transforms, interpolator="genericLabel")
    return perf_counter() - began

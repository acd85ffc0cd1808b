"""Both habenulae of one head, by stage and as a command, beside a registration of an atlas."""

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import nibabel as nib
from nilearn.datasets import load_mni152_template

from benchmarks.timing import command

FURTHER = 4


def run(head: str | None = None, *atlas: str) -> None:
    """Time the command for one head and for several, and each stage of the first one.

    Args:
        head: T1 of a whole head, else the MNI template of 1 mm, which is a brain only.
        *atlas: T1 template and label of an atlas, to bring them to the same head by ANTs's SyN as well.
    """
    with TemporaryDirectory() as made:
        folder = Path(made)
        scans = [folder / f"{number}.nii.gz" for number in range(1 + FURTHER)]
        image = load_mni152_template(resolution=1) if head is None else nib.load(head)
        for scan in scans:
            nib.save(image, scan)
        first, memory = command("volumes", "habenula", scans[0], "--out", folder / "one")
        in_all, memory_in_all = command("volumes", "habenula", *scans, "--out", folder / "all")
        print(f"mtseg volumes habenula: {first:.1f} s, each further head {(in_all - first) / FURTHER:.1f} s")
        print(f"memory {memory:.1f} GB, with {len(scans)} heads {memory_in_all:.1f} GB")
        _print_stages(scans[0])
        if atlas:
            print(f"registration of the atlas: {_register(scans[0], *atlas):.1f} s")


def _print_stages(scan: Path) -> None:
    """The rest of a command's time goes into imports, files and the picture."""
    from mtseg.volumetry.scans.inputs import read_scan
    from mtseg.volumetry.scans.locate import locate
    from mtseg.volumetry.scans.segment import segment
    from mtseg.volumetry.scans.structures import HABENULA

    times = [perf_counter()]
    t1 = read_scan(scan)
    times.append(perf_counter())
    located = locate(t1)
    times.append(perf_counter())
    segment(t1, located, HABENULA)
    times.append(perf_counter())
    took = (after - before for before, after in pairwise(times))
    stages = zip(("read", "locate", "segment with loading the network"), took, strict=True)
    print("by stage: " + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in stages))


def _register(scan: Path, template: str, label: str) -> float:
    import ants

    fixed, moving = ants.image_read(str(scan)), ants.image_read(template)
    began = perf_counter()
    found = ants.registration(fixed, moving, type_of_transform="SyN")
    transforms = found["fwdtransforms"]
    ants.apply_transforms(fixed, ants.image_read(label), transforms, interpolator="genericLabel")
    return perf_counter() - began

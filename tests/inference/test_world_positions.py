"""The recipe's way from file to file, with a network that finds by brightness: left stays left."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import list_data_collate
from monai.engines import SupervisedEvaluator
from nibabel.affines import apply_affine, from_matvec
from nibabel.eulerangles import euler2mat
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from torch import nn

from mtseg.bundle import find
from mtseg.bundle.config import load_config
from mtseg.bundle.locate import root
from mtseg.files import read_table
from mtseg.inference import WritePredictions

STRAIGHT = from_matvec(np.diag([1.2, 1.0, 1.5]), [-24.0, -20.0, -18.0])
TILTED = from_matvec(euler2mat(0.15, -0.1, 0.2) @ np.diag([1.2, 1.0, 1.5]), [-22.0, -22.0, -17.0])
SIZE = (40, 40, 24)
LEFT, RIGHT = np.array([-11.0, 4.0, 2.0]), np.array([10.0, -3.0, -4.0])
RADII = {"left": 6.0, "right": 4.0}


class Bright(nn.Module):
    """The left structure shines in the first sequence, the right one in the second."""

    reduction = smallest = (4, 4, 4)

    def __init__(self, images: list[nib.Nifti1Image]):
        super().__init__()
        normalised = [(70 - image.get_fdata().mean()) / image.get_fdata().std() for image in images]
        self.threshold = torch.tensor(normalised, dtype=torch.float32).reshape(1, 2, 1, 1, 1)

    def forward(self, x):
        return {"seg": torch.cat([0 * x[:, :1], 5 * (x - self.threshold)], dim=1)}


class Sided(Bright):
    """What shines in either sequence is left in the first half of the image, right in the second."""

    def forward(self, x):
        shining = (x - self.threshold).amax(1, keepdim=True)
        first = torch.arange(x.shape[2])[:, None, None] < x.shape[2] / 2
        return {"seg": 5 * torch.cat([0 * shining, shining - 50 * ~first, shining - 50 * first], dim=1)}


def head(affine: np.ndarray, codes: str, bright: str) -> nib.Nifti1Image:
    """A head with one bright ball, its surface one mm thick."""
    world = apply_affine(affine, np.moveaxis(np.indices(SIZE), 0, -1))
    centre = LEFT if bright == "left" else RIGHT
    distance = np.linalg.norm(world - centre, axis=-1)
    brain = (np.linalg.norm(world / [19, 17, 14], axis=-1) < 1) * 20
    voxels = brain + 100 * np.clip(RADII[bright] - distance + 0.5, 0, 1)
    image = nib.Nifti1Image(voxels.astype(np.float32), affine)
    return image.as_reoriented(ornt_transform(io_orientation(affine), axcodes2ornt(codes)))


def predict(folder: Path, images: dict[str, list[nib.Nifti1Image]], network=Bright, **settings) -> None:
    """What `mtseg predict` runs, with a toy as the network."""
    rows = []
    for subject, sequences in images.items():
        names = [f"{subject}_{i}.nii.gz" for i in range(len(sequences))]
        for name, image in zip(names, sequences, strict=True):
            nib.save(image, folder / name)
        rows.append([subject, *names])
    (folder / "cohort.tsv").write_text("\n".join("\t".join(r) for r in [["participant_id", "t1", "t2"], *rows]))
    config = load_config(find("hippocampus_t1") / "configs" / "inference.yaml", root=root())
    config |= {
        "cohort": str(folder / "cohort.tsv"),
        "sequences": ["t1", "t2"],
        "structures": {"ball_left": 17, "ball_right": 53},
        "heads": {},
        "device": "$torch.device('cpu')",
        "spacing": [1.0, 1.0, 1.0],
        "tile_size": None,
    } | settings
    part = ConfigParser(config).get_parsed_content
    writer = WritePredictions(folder, structures=part("tasks::structures"), heads=())
    SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=torch.utils.data.DataLoader(part("dataset"), collate_fn=list_data_collate),
        network=network(sequences),
        inferer=part("inferer"),
        postprocessing=part("postprocessing"),
        val_handlers=[writer],
    ).run()


@pytest.mark.parametrize("settings", [{}, {"mirror": True, "network": Sided}, {"tile_size": [20, 24, 20]}], ids=str)
@pytest.mark.parametrize("affine", [STRAIGHT, TILTED], ids=["straight", "tilted"])
def test_left_is_left_in_every_voxel_order(tmp_path, affine, settings):
    orders = ["RAS", "PSR", "LPS", "IAL"]
    predict(tmp_path, {codes: [head(affine, codes, side) for side in RADII] for codes in orders}, **settings)
    volumes = read_table(tmp_path / "predictions.tsv").set_index("participant_id")
    masks = []
    for codes in orders:
        mask, image = nib.load(tmp_path / f"{codes}_mask.nii.gz"), nib.load(tmp_path / f"{codes}_0.nii.gz")
        assert mask.shape == image.shape
        assert np.array_equal(mask.affine, image.affine)
        values = np.asarray(mask.dataobj)
        for value, side, truth in ((17, "left", LEFT), (53, "right", RIGHT)):
            centre = apply_affine(mask.affine, np.argwhere(values == value)).mean(0)
            assert np.linalg.norm(centre - truth) < 0.25
            ball = 4 / 3 * np.pi * RADII[side] ** 3
            assert volumes.loc[codes, f"ball_{side}_volume_mm3"] == pytest.approx(ball, rel=0.15)
        masks.append(np.asarray(mask.as_reoriented(io_orientation(mask.affine)).dataobj))
    for other in masks[1:]:
        assert (other != masks[0]).sum() <= 2  # rounding at a border


def test_sequences_may_be_stored_differently(tmp_path):
    predict(tmp_path, {"a": [head(TILTED, "PSR", "left"), head(STRAIGHT, "LAS", "right")]})
    mask = nib.load(tmp_path / "a_mask.nii.gz")
    for value, truth in ((17, LEFT), (53, RIGHT)):
        centre = apply_affine(mask.affine, np.argwhere(np.asarray(mask.dataobj) == value)).mean(0)
        assert np.linalg.norm(centre - truth) < 0.4

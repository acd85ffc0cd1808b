"""Several networks whose answers are known, and what they say together, counted by hand."""

from math import log

import nibabel as nib
import numpy as np
import pytest
import torch
from ignite.engine import Engine
from torch import nn

from mtseg.files import read_table
from mtseg.inference import EnsembleInferer, JointInferer, WritePredictions
from mtseg.networks import JointNet
from mtseg.tasks import Head, Kind, Structures
from mtseg.transforms import CutSlice, LoadSubject

SIZE = Head("size", Kind.CLASSES, ("small", "large"))
SIGNS = Head("signs", Kind.LABELS, ("bleed", "oedema"))
AGE = Head("age", Kind.NUMBER, mean=50, sd=20)
HEADS = (SIZE, SIGNS, AGE)
ENTROPY = {p: -p * log(p) - (1 - p) * log(1 - p) for p in (0.1, 0.3, 0.5)}


class Known(nn.Module):
    """Says the same of every image: the lesion has probability `p` in the first half of the first axis, else 0.1."""

    reduction = smallest = (1, 1, 1)

    def __init__(self, p: float, large: float, bleed: float, age: float):
        super().__init__()
        self.p, self.large, self.bleed, self.age = p, large, bleed, age

    def forward(self, x):
        first = (torch.arange(x.shape[2]) < x.shape[2] // 2)[:, None, None].expand(len(x), 1, *x.shape[2:])
        lesion = torch.where(first, self.p, 0.1)

        def each(*values):
            return torch.tensor(values).expand(len(x), -1)

        return {
            "seg": torch.cat([1 - lesion, lesion], dim=1).log(),
            "size": each(1 - self.large, self.large).log(),
            "signs": each(self.bleed, 0.5).logit(),
            "age": each((self.age - 50) / 20),
        }


MEMBERS = (Known(0.9, large=0.1, bleed=0.9, age=50.0), Known(0.5001, large=0.5, bleed=0.1, age=56.0))


def joint_net(seed: int) -> JointNet:
    torch.manual_seed(seed)
    heads = {head.name: head.outputs for head in HEADS}
    return JointNet(in_channels=2, mask_classes=3, heads=heads, channels=(4, 6)).eval()


def infer(network: nn.Module, x: torch.Tensor, inferer=None) -> dict:
    with torch.no_grad():
        return (inferer or EnsembleInferer(JointInferer(HEADS)))(x, network)


@pytest.mark.parametrize("options", [{}, {"mirror": True, "swapped": (0, 2, 1)}, {"tile": (8, 8, 8)}], ids=str)
def test_two_networks_answer_with_exactly_the_mean(options):
    x, one, two = torch.randn(2, 2, 12, 8, 8), joint_net(1), joint_net(2)
    plain = JointInferer(HEADS, **options)
    found = infer(nn.ModuleList([one, two]), x, EnsembleInferer(plain))
    alone = [infer(network, x, plain) for network in (one, two)]
    for name in alone[0]:
        assert torch.equal(found[name], (alone[0][name] + alone[1][name]) / 2)
        if name != "seg":
            assert torch.equal(found["members"][name], torch.stack([answers[name] for answers in alone], dim=1))
    own = torch.stack([torch.special.entr(answers["seg"]).sum(1) for answers in alone]).mean(0)
    whole = torch.special.entr(found["seg"]).sum(1)
    torch.testing.assert_close(found["entropy"][:, 0], whole)
    torch.testing.assert_close(found["disagreement"][:, 0], (whole - own).clamp(min=0))
    voxels = [[(answers["seg"].argmax(1) == k).flatten(1).sum(1) for k in (1, 2)] for answers in alone]
    assert found["members"]["seg"].tolist() == torch.stack([torch.stack(v, 1) for v in voxels], 1).tolist()


def test_one_network_answers_as_without_an_ensemble_bit_for_bit():
    x, network = torch.randn(2, 2, 9, 8, 8), joint_net(0)
    found, alone = infer(network, x), infer(network, x, JointInferer(HEADS))
    assert {*found} - {*alone} == {"entropy", "members"}
    assert all(torch.equal(found[name], alone[name]) for name in alone)


def test_a_network_without_a_mask_has_no_voxels():
    torch.manual_seed(0)
    network = JointNet(in_channels=1, mask_classes=1, heads={"size": 2, "signs": 2, "age": 1}, channels=(4, 6)).eval()
    found = infer(nn.ModuleList([network, network]), torch.randn(1, 1, 8, 8, 8))
    assert found["members"]["seg"].shape == (1, 2, 0)
    assert not found["entropy"].any()


@pytest.fixture
def write(tmp_path):
    """Write what members say of one image of 6 x 4 x 4 voxels of 2 x 2 x 3 mm."""
    nib.save(
        nib.Nifti1Image(np.arange(96, dtype=np.float32).reshape(6, 4, 4), np.diag([2.0, 2, 3, 1])), tmp_path / "t1.nii"
    )
    sample = LoadSubject()({"subject": "p1", "image": [str(tmp_path / "t1.nii")]})

    def written(*members: nn.Module, **options) -> dict:
        found = infer(nn.ModuleList(members), sample["image"][None])
        said = found.pop("members")
        answers = {name: answer[0] for name, answer in found.items()}
        answers["members"] = {name: answer[0] for name, answer in said.items()}
        engine = Engine(lambda engine, batch: [answers])
        writer = WritePredictions(tmp_path, structures=Structures({"lesion": 1}), heads=HEADS, **options)
        writer.attach(engine)
        engine.run([[sample]])
        return read_table(tmp_path / "predictions.tsv").iloc[0].to_dict()

    return written


def test_uncertainty_by_hand(write, tmp_path):
    row = write(*MEMBERS, probabilities=True)
    nats = {name: value for name, value in row.items() if "entropy" in name or "information" in name}
    expected = {
        "mask_entropy": ENTROPY[0.3],  # .9 and .5 are .7 together
        "size_entropy": ENTROPY[0.3],
        "size_mutual_information": ENTROPY[0.3] - (ENTROPY[0.1] + ENTROPY[0.5]) / 2,
        "signs_entropy_bleed": log(2),
        "signs_entropy_oedema": log(2),
        "signs_mutual_information_bleed": log(2) - ENTROPY[0.1],
        "signs_mutual_information_oedema": 0,
    }
    assert nats == pytest.approx(expected, abs=1e-3)
    sd = {name: value for name, value in row.items() if "_sd" in name}
    expected = {"size_sd_small": 0.4 / 2**0.5, "size_sd_large": 0.4 / 2**0.5, "age_sd": 6 / 2**0.5}
    expected |= {"signs_sd_bleed": 0.8 / 2**0.5, "signs_sd_oedema": 0, "lesion_volume_sd_mm3": 0}
    assert sd == pytest.approx(expected, abs=1e-4)
    entropy, disagreement = (
        nib.load(tmp_path / f"p1_{name}.nii.gz").get_fdata() for name in ("entropy", "disagreement")
    )
    assert entropy[:3] == pytest.approx(ENTROPY[0.3], abs=1e-3)
    assert entropy[3:] == pytest.approx(ENTROPY[0.1], abs=1e-3)
    assert disagreement[:3] == pytest.approx(ENTROPY[0.3] - (ENTROPY[0.1] + ENTROPY[0.5]) / 2, abs=1e-3)
    assert disagreement[3:] == pytest.approx(0, abs=1e-6)


def test_members_that_outline_differently_have_a_spread_of_volumes(write):
    row = write(MEMBERS[0], Known(0.2, large=0.5, bleed=0.5, age=50.0))
    volume = 3 * 4 * 4 * 2 * 2 * 3
    assert row["lesion_volume_mm3"] == volume
    assert row["lesion_volume_sd_mm3"] == pytest.approx(volume / 2**0.5, abs=1e-3)


def test_a_voxel_of_a_slice_keeps_its_volume(tmp_path):
    nib.save(
        nib.Nifti1Image(np.arange(120, dtype=np.float32).reshape(6, 5, 4), np.diag([2.0, 3, 7, 1])), tmp_path / "t1.nii"
    )
    whole = LoadSubject()({"subject": "p1", "image": [str(tmp_path / "t1.nii")], "slice_axial": 2})
    for plane in ("axial", "coronal", "sagittal"):
        affine = CutSlice(plane, mirror=False)(whole | {f"slice_{plane}": 2})["image"].meta["affine"]
        assert abs(np.linalg.det(affine[:3, :3])) == pytest.approx(42)


def test_one_network_has_an_entropy_and_no_spread(write):
    row = write(MEMBERS[0])
    assert not [name for name in row if "_sd" in name or "information" in name]
    assert row["size_entropy"] == pytest.approx(ENTROPY[0.1], abs=1e-3)
    assert row["mask_entropy"] == pytest.approx(ENTROPY[0.1], abs=1e-3)


def test_an_empty_mask_has_no_entropy_and_no_maps_are_written_unasked(write, tmp_path):
    row = write(Known(0.3, large=0.5, bleed=0.5, age=50.0), Known(0.1, large=0.5, bleed=0.5, age=50.0))
    assert np.isnan(row["mask_entropy"])
    assert {path.name for path in tmp_path.iterdir()} == {"t1.nii", "p1_mask.nii.gz", "predictions.tsv"}

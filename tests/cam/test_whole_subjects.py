"""Whole subjects: padding, tiles, mirror images, ensembles."""

import pytest
import torch
from torch import nn

from mtseg.cam import Explainer, HeadTarget, MaskTarget, Scale, SubjectExplainer
from mtseg.inference import JointInferer
from mtseg.networks import JointNet
from mtseg.tasks import Head, Kind, Structures

HEADS = (Head("cls", Kind.CLASSES, ("poor", "good")), Head("age", Kind.NUMBER, mean=50, sd=10))
STRUCTURES = Structures({"core": 1, "rim": 2})


def network(seed: int = 0) -> JointNet:
    torch.manual_seed(seed)
    return JointNet(in_channels=1, mask_classes=3, heads={"cls": 2, "age": 1}, channels=(4, 8)).eval()


def explain(x, target, *, member=None, **options):
    tile = options.get("tile")
    subject = SubjectExplainer(JointInferer(HEADS, tile=tile), target, **options)
    return subject, subject(x, member or network())


@pytest.mark.parametrize("target", [HeadTarget("cls"), MaskTarget(2, where="all")])
def test_a_size_that_the_strides_do_not_divide(target):
    x = torch.randn(1, 1, 9, 8, 7)
    padded = nn.functional.pad(x, (0, 1, 0, 0, 0, 1), mode="replicate")
    if isinstance(target, MaskTarget):  # the padding is not asked about
        inside = torch.zeros(1, 10, 8, 8, dtype=torch.bool)
        inside[:, :9, :, :7] = True
        direct = MaskTarget(2, where=inside)
    else:
        direct = target
    with Explainer(network()) as explainer:
        expected = next(iter(explainer(padded, direct).maps.values()))[:, :9, :, :7]
    _, output = explain(x, target)
    torch.testing.assert_close(output["cam"][:, 0], expected)


def test_the_score_is_what_a_prediction_says():
    x = torch.randn(1, 1, 8, 8, 8)
    answers = JointInferer(HEADS)(x, network())
    subject, output = explain(x, HeadTarget("cls", scale=Scale.LOGIT))
    assert subject.score == pytest.approx(float(answers["cls"].amax()))
    assert int(subject.target.index) == int(answers["cls"].argmax())
    torch.testing.assert_close(output["cls"], answers["cls"])
    assert explain(x, HeadTarget("age", 0))[0].score == pytest.approx(float(answers["age"]))
    voxels = answers["seg"].argmax(1) == 1
    assert explain(x, MaskTarget(1))[0].score == pytest.approx(float(answers["seg"][:, 1][voxels].sum()), rel=1e-5)
    changed = torch.cat([x, torch.randn_like(x)])
    torch.testing.assert_close(subject.scores(changed, network())[0], answers["cls"].amax())


class Bright(nn.Module):
    """Finds voxels above 1, in mask and class; looks at nothing else, so that tiles must give the whole's map."""

    reduction = smallest = (1, 1, 1)

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv3d(1, 1, 1)
        nn.init.ones_(self.layer.weight)
        nn.init.constant_(self.layer.bias, -1.0)

    target_layer = "layer"

    def forward(self, x):
        found = self.layer(x).relu()
        size = found.flatten(1).sum(dim=1, keepdim=True)
        seg = torch.cat([-9 * (found - 0.1), 9 * (found - 0.1), 0 * x - 99], dim=1)
        return {"seg": seg, "cls": torch.cat([-size, size], dim=1), "age": size}


@pytest.mark.parametrize("target", [HeadTarget("cls", 1), MaskTarget(1), MaskTarget(1, where="all")])
def test_tiles_are_joined_to_the_map_of_the_whole(target):
    x = torch.zeros(1, 1, 20, 12, 12)
    x[:, :, 13:17, 4:8, 5:9] = 3.0
    _, whole = explain(x, target, member=Bright(), method="hirescam")
    _, tiled = explain(x, target, member=Bright(), method="hirescam", tile=(12, 12, 12))
    a, b = (output["cam"] / output["cam"].amax() for output in (whole, tiled))
    assert whole["cam"].shape == (1, 1, 20, 12, 12)
    assert torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1] > 0.95
    assert b[x > 1].sum() / b.sum() > 0.99


def test_several_trainings_give_a_mean_and_a_spread():
    x = torch.randn(1, 1, 8, 8, 8)
    alone = [explain(x, HeadTarget("cls", 1), member=network(seed))[1] for seed in (1, 2)]
    _, both = explain(x, HeadTarget("cls", 1), member=network(1), others=[network(2)])
    normalised = torch.stack([output["cam"] / output["cam"].amax() for output in alone])
    torch.testing.assert_close(both["cam"], torch.cat([normalised.mean(0), normalised.std(0, correction=0)], dim=1))
    torch.testing.assert_close(both["cls"], (alone[0]["cls"] + alone[1]["cls"]) / 2)


class Sides(nn.Module):
    """Calls the first half of the first axis class 1 and the other class 2, with the image as their logits."""

    reduction = smallest = (1, 1, 1)

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv3d(1, 1, 1)
        nn.init.ones_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    target_layer = "layer"

    def forward(self, x):
        found = self.layer(x)
        first = (torch.arange(x.shape[2]) < x.shape[2] // 2).to(x)[:, None, None]
        seg = torch.cat([0.1 + 0 * x, found * first, found * (1 - first)], dim=1)
        return {"seg": seg, "cls": x.new_zeros(1, 2), "age": x.new_zeros(1, 1)}


def test_a_mirrored_left_structure_is_a_right_one():
    x = torch.rand(1, 1, 6, 4, 4) + 1
    options = {"member": Sides(), "method": "hirescam"}
    _, plain = explain(x, MaskTarget(1), **options)
    _, both = explain(x, MaskTarget(1, twin=2), mirror=True, **options)
    assert plain["cam"].sum() > 0
    torch.testing.assert_close(both["cam"], plain["cam"])


def test_a_caller_in_inference_mode_and_a_network_in_training_mode():
    x, member = torch.randn(1, 1, 8, 8, 8), network()
    _, expected = explain(x, HeadTarget("cls"), member=member)
    statistics = member.pool.volumes.mean.clone()
    with torch.inference_mode():
        subject, output = explain(x, HeadTarget("cls"), member=member.train())
    torch.testing.assert_close(output["cam"], expected["cam"])
    torch.testing.assert_close(output["cls"], expected["cls"])
    assert subject.scores(x, member) == output["cls"].amax()
    assert torch.equal(member.pool.volumes.mean, statistics)
    assert member.training

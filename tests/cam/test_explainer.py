"""Maps against formulas, captum, MONAI, and themselves in batches; and that nothing is left behind."""

import pytest
import torch
from captum.attr import LayerGradCam
from monai.networks.nets import DenseNet121, DynUNet
from monai.networks.nets import resnet18 as monai_resnet18
from monai.visualize import GradCAM as MonaiGradCam
from torch import nn
from torchvision import models

from mtseg.cam import METHODS, Explainer, HeadTarget, MaskTarget, Scale, answer_of, ensemble
from mtseg.cam.methods import GRADIENT_METHODS
from mtseg.errors import InputError
from mtseg.networks import JointNet

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
POOL = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}


def classifier(dims: int, *, seed: int = 0) -> nn.Sequential:
    """Two convolutions (layer "2" is the last), mean, one linear layer of three classes."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        CONV[dims](2, 4, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        CONV[dims](4, 5, 3, padding=1),
        POOL[dims](1),
        nn.Flatten(),
        nn.Linear(5, 3),
    )
    with torch.no_grad():  # no class is ahead whatever the image
        network[5].bias -= network(images(dims, batch=16)).mean(dim=0)
    return network


def joint(**options) -> JointNet:
    torch.manual_seed(1)
    defaults = {"in_channels": 1, "mask_classes": 3, "heads": {"cls": 2, "age": 1}, "channels": (4, 6, 8)}
    return JointNet(**defaults | options).eval()


def images(dims: int, batch: int = 3, edge: int = 8) -> torch.Tensor:
    return torch.randn(batch, 2, *[edge] * dims, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_on_a_linear_head_the_map_can_be_written_down(dims):
    network, x = classifier(dims), images(dims)
    features = network[:3](x)
    weights = network[5].weight[1]
    cam = torch.einsum("bk...,k->b...", features, weights)
    size = features[0, 0].numel()
    resized = nn.functional.interpolate(
        cam.relu()[:, None], x.shape[2:], mode=["linear", "bilinear", "trilinear"][dims - 1]
    )[:, 0]
    with Explainer(network, layers=["2"]) as explain:
        found = {name: explain(x, HeadTarget(index=1), method=name) for name in ("gradcam", "hirescam")}
    for explanation in found.values():  # Zhou et al. 2016: the class's weights, over the number of voxels
        torch.testing.assert_close(explanation.maps["2"] * size, resized.detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(explanation.scores, network(x)[:, 1].detach())


@pytest.mark.parametrize("dims", [2, 3])
def test_one_image_as_captum_and_monai_explain_it(dims):
    network, x = classifier(dims), images(dims, batch=1)
    with Explainer(network, layers=["2"]) as explain:
        ours = explain(x, HeadTarget(index=2), method="gradcam").maps["2"]
    captum = LayerGradCam(network, network[2]).attribute(x, target=2, relu_attributions=True)
    captum = LayerGradCam.interpolate(captum, x.shape[2:], ["bilinear", "trilinear"][dims - 2])[:, 0]
    torch.testing.assert_close(ours, captum.detach(), atol=1e-5, rtol=1e-5)
    monai = MonaiGradCam(network, target_layers="2", postprocessing=lambda m: m)(x, class_idx=2)[:, 0]
    torch.testing.assert_close(ours, monai.detach(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("method", METHODS[:-1])  # the last one asks a network of its own
@pytest.mark.parametrize("dims", [2, 3])
def test_a_batch_is_explained_as_its_images_alone(method, dims):
    network, x = classifier(dims), images(dims, batch=4, edge=8)
    assert len({*network(x).argmax(dim=1).tolist()}) > 1  # different classes are predicted
    with Explainer(network, layers=["2"]) as explain:
        together = explain(x, HeadTarget(), method=method)
        alone = [explain(one, HeadTarget(), method=method) for one in x.split(1)]
    for name, maps in together.maps.items():
        expected = torch.cat([one.maps[name] for one in alone])
        torch.testing.assert_close(maps, expected, atol=1e-5, rtol=1e-5)
        assert maps.shape == x[:, 0].shape
        assert (maps >= 0).all()
        assert maps.flatten(1).amax(dim=1).gt(0).any()


def test_gradcam_plus_plus_as_the_paper_sums_it():
    maps = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    gradients = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    expected = torch.zeros(2, 4, 5, dtype=torch.float64)
    for b in range(2):
        for k in range(3):
            g, total = gradients[b, k], maps[b, k].sum()
            alpha = g**2 / (2 * g**2 + total * g**3)
            expected[b] += (alpha * g.clamp(min=0)).sum() * maps[b, k]
    torch.testing.assert_close(GRADIENT_METHODS["gradcam++"](maps, gradients), expected)


def test_hirescam_sums_to_the_score_of_a_linear_head():
    network, x = classifier(2), images(2)
    nn.init.zeros_(network[5].bias)
    features = network[:3](x).detach().requires_grad_()
    score = network[3:](features)[:, 0]
    (gradients,) = torch.autograd.grad(score.sum(), features)
    torch.testing.assert_close(GRADIENT_METHODS["hirescam"](features, gradients).flatten(1).sum(1), score)
    xgrad = GRADIENT_METHODS["xgradcam"](features, gradients)  # sensitivity and conservation: the same sum
    torch.testing.assert_close(xgrad.flatten(1).sum(1), score, rtol=1e-3, atol=1e-4)


def test_ablation_removes_one_channel_at_a_time():
    network, x = classifier(2), images(2, batch=2)
    features = network[:3](x).detach()
    full = network[3:](features)[:, 1]
    weights = []
    for k in range(5):
        without = features.clone()
        without[:, k] = 0
        weights.append(full - network[3:](without)[:, 1])
    cam = torch.einsum("bk...,kb->b...", features, torch.stack(weights)).relu()[:, None]
    expected = nn.functional.interpolate(cam, x.shape[2:], mode="bilinear")[:, 0].detach()
    with Explainer(network, layers=["2"]) as explain:
        torch.testing.assert_close(explain(x, HeadTarget(index=1), method="ablationcam").maps["2"], expected)


def test_a_score_near_0_does_not_make_one_side_count_for_all():
    """Ablation was relative to the score, which mirroring changes: a map whose score was near 0 drowned the other."""

    class Sides(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Identity()

        def forward(self, x):
            return (self.layer(x) * torch.tensor([1.0, 3.0])).sum(dim=(1, 2))[:, None] - 6.999

    x = torch.tensor([[[1.0, 2.0]]])  # 7 as it is, 5 mirrored
    with Explainer(Sides(), layers=["layer"]) as explain:
        found = explain(x, HeadTarget(index=0), method="ablationcam", flips=[[0]]).maps["layer"]
    torch.testing.assert_close(found, (7 * x[:, 0] + 5 * x[:, 0]) / 2)


def test_occlusion_finds_what_the_score_is_made_of():
    class Corner(nn.Module):
        def forward(self, x):
            return x[:, :, :2, :2].flatten(1).sum(dim=1, keepdim=True)

    with Explainer(Corner()) as explain:
        by_window, by_voxel = (
            explain(torch.ones(1, 1, 10, 10), HeadTarget(), method=method).maps["input"][0]
            for method in ("occlusion", "integrated_gradients")
        )
    assert by_voxel[:2, :2].sum() / by_voxel.sum() == pytest.approx(1)
    assert by_window[:3, :3].sum() / by_window.sum() == pytest.approx(1)  # windows two wide reach one further
    assert by_window.argmax() == 0


def test_occlusion_is_the_fall_of_the_score_however_many_channels():
    """It was as many times that as there are sequences."""

    class Mean(nn.Module):
        def forward(self, x):
            return x.flatten(1).mean(dim=1, keepdim=True)

    for channels in (1, 4):
        with Explainer(Mean()) as explain:
            found = explain(torch.ones(1, channels, 10, 10), HeadTarget(), method="occlusion").maps["input"]
        torch.testing.assert_close(found, torch.full((1, 10, 10), 4 / 100))  # a window of two by two


@pytest.mark.parametrize("state", [(True, True), (False, False), (True, False)])
def test_nothing_is_left_behind(state):
    network = joint()
    training, trainable = state
    network.train(training)
    network.heads.eval()  # a module of its own mode
    for parameter in network.parameters():
        parameter.requires_grad_(trainable)
        parameter.grad = torch.ones_like(parameter)
    before = {name: module.training for name, module in network.named_modules()}
    values = {name: value.clone() for name, value in network.state_dict().items()}
    with Explainer(network) as explain:
        for method in METHODS[:2]:
            explain(torch.randn(1, 1, 8, 8, 8), HeadTarget("cls"), method=method)
        with pytest.raises(InputError):
            explain(torch.randn(1, 1, 8, 8, 8), HeadTarget("nothing"))
    assert {name: module.training for name, module in network.named_modules()} == before
    assert all(p.requires_grad == trainable and (p.grad == 1).all() for p in network.parameters())
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())
    for name, value in network.state_dict().items():
        assert torch.equal(value, values[name]), name


def test_any_caller_and_any_layout():
    network, x = joint(deep_supervision=1).train(), torch.randn(2, 1, 8, 8, 8)
    target = HeadTarget("cls", 1)
    with Explainer(network) as explain:
        (expected,) = explain(x, target).maps.values()
        with torch.no_grad():
            torch.testing.assert_close(*explain(x, target).maps.values(), expected)
        with torch.inference_mode():
            torch.testing.assert_close(*explain(torch.clone(x), target).maps.values(), expected)
        last = x.contiguous(memory_format=torch.channels_last_3d)
        torch.testing.assert_close(*explain(last, target).maps.values(), expected, rtol=1e-4, atol=1e-6)
        with torch.autocast("cpu", torch.bfloat16):
            (rough,) = explain(x, target).maps.values()
    assert rough.dtype == torch.float32
    assert torch.corrcoef(torch.stack([rough.flatten(), expected.flatten()]))[0, 1] > 0.95


def test_several_layers_at_once_are_as_each_alone():
    network, x = classifier(2), images(2)
    with Explainer(network, layers=["0", "2"]) as explain:
        both = explain(x, HeadTarget()).maps
    for name in ("0", "2"):
        with Explainer(network, layers=[name]) as explain:
            torch.testing.assert_close(explain(x, HeadTarget()).maps[name], both[name])


def test_the_default_layer_of_each_kind_of_head():
    network, x = joint(), torch.randn(1, 1, 8, 8, 8)
    with Explainer(network) as explain:
        assert [*explain(x, HeadTarget("age", 0)).maps] == ["encoder.levels.2"]
        assert [*explain(x, MaskTarget(1)).maps] == ["encoder.levels.2"]
    with Explainer(nn.Conv2d(1, 1, 1)) as explain, pytest.raises(InputError, match="no layer is known"):
        explain(torch.zeros(1, 1, 2, 2), MaskTarget(0, None))


def test_flips_average_the_map_with_the_one_of_the_mirrored_image():
    network, x = classifier(3), images(3)
    target = HeadTarget(index=0)
    with Explainer(network, layers=["2"]) as explain:
        plain = explain(x, target).maps["2"]
        mirrored = explain(x.flip(2), target).maps["2"].flip(1)
        smooth = explain(x, target, flips=[[0]]).maps["2"]
        predicted = explain(x, HeadTarget(), flips=[[0]])
    torch.testing.assert_close(smooth, (plain + mirrored) / 2)
    torch.testing.assert_close(predicted.scores, network(x).amax(dim=1).detach())


def test_scales_and_differences():
    network, x = classifier(2), images(2)
    logits = network(x).detach()
    with Explainer(network, layers=["2"]) as explain:
        difference = explain(x, HeadTarget(index=0, against=2)).scores
        probability = explain(x, HeadTarget(index=0, scale=Scale.SOFTMAX)).scores
        label = explain(x, HeadTarget(index=0, scale=Scale.SIGMOID)).scores
    torch.testing.assert_close(difference, logits[:, 0] - logits[:, 2])
    torch.testing.assert_close(probability, logits.softmax(1)[:, 0])
    torch.testing.assert_close(label, logits.sigmoid()[:, 0])


def test_a_mask_class_is_explained_where_it_is_asked_for():
    network, x = joint(), torch.randn(2, 1, 8, 8, 8)
    logits = network(x)["seg"].detach()
    given = torch.zeros(2, 8, 8, 8, dtype=torch.bool)
    given[:, :2] = True
    wanted = {"all": torch.ones_like(given), "predicted": logits.argmax(1) == 2, "given": given}
    with Explainer(network) as explain:
        for where, voxels in wanted.items():
            target = MaskTarget(2, where=given if where == "given" else where)
            found = explain(x, target)
            torch.testing.assert_close(found.scores, (logits[:, 2] * voxels).sum(dim=(1, 2, 3)), rtol=1e-4, atol=1e-4)
        mirrored = explain(x.flip(2), MaskTarget(2, where=given.flip(1)))
        twice = explain(x, MaskTarget(2, where=given), flips=[[0]])
        once = explain(x, MaskTarget(2, where=given))
    (a,), (b,), (c,) = (e.maps.values() for e in (once, mirrored, twice))
    torch.testing.assert_close((a + b.flip(1)) / 2, c)


def test_third_party_networks():
    unet = DynUNet(2, 1, 2, [3, 3, 3], [1, 2, 2], [2, 2], deep_supervision=False)
    with Explainer(unet, layers=["bottleneck"]) as explain:
        assert explain(torch.randn(2, 1, 8, 8), MaskTarget(1, None)).maps["bottleneck"].shape == (2, 8, 8)

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 2, 1)

        def forward(self, x):
            pooled = self.layer(x).mean(dim=(2, 3))
            return pooled, 2 * pooled

    with Explainer(Twice(), layers=["layer"]) as explain:
        x = torch.rand(1, 1, 4, 4)
        one, two = (explain(x, HeadTarget(head, 0)).maps["layer"] for head in "01")
    torch.testing.assert_close(2 * one, two)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda x: Explainer(joint(), layers=["encoder.levels.9"]), "encoder.levels.2"),
        (lambda x: explained(x, HeadTarget("grade")), "There are: seg, cls, age"),
        (lambda x: explained(x, HeadTarget("cls", 2)), "head 'cls' has the classes 0 to 1"),
        (lambda x: explained(x, HeadTarget("cls", 0, against=5)), "head 'cls' has the classes 0 to 1"),
        (lambda x: explained(x, HeadTarget("seg", 0)), "is no vector per image"),
        (lambda x: explained(x, MaskTarget(3)), "head 'seg' has the classes 0 to 2"),
        (lambda x: explained(x, HeadTarget("cls"), method="guess"), "Choose one of gradcam"),
        (lambda x: explained(x, HeadTarget("cls"), layers=["decoder.levels.1"]), "does not depend on it"),
        (lambda x: explained(x, HeadTarget("cls"), layers=["heads.cls.linear"]), "no feature map"),
        (lambda x: explained(x, HeadTarget("cls", torch.tensor([0, 1]))), "2 indices for 1 images"),
        (lambda x: explained(x, HeadTarget("cls", torch.tensor([7]))), "class 7: head 'cls' has the classes 0 to 1"),
        (lambda x: explained(x, MaskTarget(1, where="here")), "where 'here': there is no such"),
        (lambda x: explained(x, MaskTarget(1, where=torch.ones(1, 1, 8, 8, 8))), "where: has shape"),
        (lambda x: explained(x * torch.nan, HeadTarget("cls")), "not a finite number"),
    ],
)
def test_what_is_wrong_is_said(ask, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(").replace(".", r"\.")):
        ask(torch.randn(1, 1, 8, 8, 8))


def explained(x, target, *, layers=(), method="gradcam"):
    with Explainer(joint(), layers=layers) as explain:
        return explain(x, target, method=method)


def test_answers_of_named_tuples_and_single_tensors():
    from collections import namedtuple

    outputs = namedtuple("Outputs", ["logits", "aux"])(torch.zeros(1), torch.ones(1))
    assert answer_of(outputs, "aux") == answer_of(outputs, "1") == 1
    with pytest.raises(InputError, match="returns one tensor"):
        answer_of(torch.zeros(1), "cls")


def test_members_count_alike_whatever_their_unit():
    a = {"l": torch.tensor([[0.0, 1.0, 2.0]])}
    b = {"l": torch.tensor([[0.0, 300.0, 0.0]])}
    mean, sd = ensemble([a, b])
    torch.testing.assert_close(mean["l"], torch.tensor([[0.0, 0.75, 0.5]]))
    torch.testing.assert_close(sd["l"], torch.tensor([[0.0, 0.25, 0.5]]))


@pytest.mark.parametrize(
    ("network", "layer"),
    [
        (lambda: models.resnet18(num_classes=3), "layer4"),
        (lambda: models.googlenet(num_classes=3, init_weights=False), "inception5b"),
        (lambda: models.alexnet(num_classes=3), "features"),
        (lambda: models.mobilenet_v3_small(num_classes=3), "features"),
        (lambda: monai_resnet18(spatial_dims=2, n_input_channels=3, num_classes=3), "layer4"),
        (lambda: DenseNet121(2, 3, 3), "features"),
    ],
)
def test_the_default_layer_of_classifiers(network, layer):
    with Explainer(network()) as explain:
        (name,) = explain(torch.rand(1, 3, 64, 64), HeadTarget()).maps
    assert name == layer

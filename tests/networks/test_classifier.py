"""Published classifiers: one interface, learned weights, frozen stages, learning rates, maps."""

import re

import pytest
import torch
from torch import nn
from torchvision.models import get_model

from mtseg.cam import Explainer, HeadTarget
from mtseg.errors import InputError
from mtseg.inference import JointInferer
from mtseg.networks import Classifier, JointNet
from mtseg.networks import pretrained as pretrained_module
from mtseg.networks.backbones import ARCHITECTURES
from mtseg.tasks import Head, Kind

HEADS = {"sex": 2, "age": 1}
TORCHVISION = [name for name, architecture in ARCHITECTURES.items() if architecture.published]
NETWORKS = [(name, 2) for name in ARCHITECTURES] + [(name, 3) for name in ARCHITECTURES if name not in TORCHVISION]


def smallest(name: str, dims: int) -> list[int]:
    architecture = ARCHITECTURES[name]
    size = [architecture.smallest] * dims
    size[-1] = max(size[-1], 2 * architecture.reduction)
    return size


def classifier(name: str = "resnet18", dims: int = 2, **options) -> Classifier:
    torch.manual_seed(0)
    return Classifier(**{"architecture": name, "spatial_dims": dims, "in_channels": 1, "heads": HEADS} | options)


def image(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def original(name: str) -> nn.Module:
    """As published, in evaluation mode; what it answers depends on the image, as with learned weights."""
    torch.manual_seed(1)
    options = {"transform_input": True, "init_weights": False} if name == "googlenet" else {}
    network = get_model(name, weights=None, **options).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            module.train().momentum = 1.0
    with torch.no_grad():
        network(image(2, 3, 64, 96) + 0.5)
    return network.eval()


def pooled(network: Classifier, x: torch.Tensor) -> torch.Tensor:
    return network.eval().pool(network.stages(x))


@pytest.mark.parametrize(("name", "dims"), NETWORKS)
def test_answers_as_the_joint_net_without_a_mask_does(name, dims):
    network, size = classifier(name, dims, in_channels=2), smallest(name, dims)
    x = image(2, 2, *size)
    answers = network(x)
    joint = JointNet(spatial_dims=dims, in_channels=2, mask_classes=1, heads=HEADS, channels=(2, 2))
    assert {key: answer.shape for key, answer in answers.items()} == {k: a.shape for k, a in joint(x).items()}
    assert not answers["seg"].any()
    assert answers["sex"].dtype == torch.float32
    (answers["sex"].square().sum() + answers["age"].square().sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize(("name", "dims"), NETWORKS)
def test_maps_and_parameter_groups(name, dims):
    network, size = classifier(name, dims, stage_decay=0.5), smallest(name, dims)
    groups = network.parameter_groups(0.1)
    assert sorted(map(id, (p for group in groups for p in group["params"]))) == sorted(map(id, network.parameters()))
    assert [group["lr"] for group in groups] == pytest.approx([0.1 * 0.5**depth for depth in range(6)])
    assert groups[0]["params"] == [*network.heads.parameters()]
    x = image(1, 1, *size)
    with Explainer(network) as explain:
        explanation = explain(x, HeadTarget("sex", index=1), method="gradcam")
    ((layer, cam),) = explanation.maps.items()
    assert layer == network.target_layer == "stages.4"
    assert cam.shape == (1, *size)
    torch.testing.assert_close(explanation.scores, network.eval()(x)["sex"][:, 1].detach())


@pytest.mark.parametrize("name", TORCHVISION)
def test_learned_weights_and_the_response_to_a_grey_image(name, tmp_path):
    """What comes before the last layer is torchvision's own, with one, three and five channels, from float16 too."""
    published = original(name)
    published.half()
    torch.save(published.state_dict(), tmp_path / "weights.pt")
    published.double()  # a deep network of random weights makes much of float32's rounding
    published.set_submodule(ARCHITECTURES[name].last, nn.Identity())
    colour, grey = image(2, 3, 64, 96).double(), image(2, 1, 64, 96).double()
    with torch.no_grad():
        for channels in (1, 3, 5):
            network = classifier(name, in_channels=channels)
            before = network.state_dict()["heads.sex.linear.weight"].clone()
            network.load_pretrained(str(tmp_path / "weights.pt"))
            assert torch.equal(network.state_dict()["heads.sex.linear.weight"], before)
            assert all(p.dtype == torch.float32 for p in network.parameters())
            network.double()
            close = {"rtol": 1e-3, "atol": 1e-4 * published(colour).abs().max().item()}
            expected = published(grey.expand(-1, 3, -1, -1))
            assert (expected[0] - expected[1]).abs().max() > 0.1 * expected.abs().max()
            torch.testing.assert_close(pooled(network, grey.expand(-1, channels, -1, -1)), expected, **close)
            if channels == 3:
                torch.testing.assert_close(pooled(network, colour), published(colour), **close)


def test_weights_of_a_monai_net_with_other_channels_and_classes(tmp_path):
    weights = tmp_path / "weights.pt"
    from monai.networks.nets import resnet18

    torch.save(resnet18(spatial_dims=3, n_input_channels=1, num_classes=4).state_dict(), weights)
    networks = [classifier("monai_resnet18", 3, in_channels=channels) for channels in (1, 2)]
    for network in networks:
        network.load_pretrained(str(weights))
    x = image(1, 1, 16, 16, 32)
    with torch.no_grad():
        torch.testing.assert_close(pooled(networks[0], x), pooled(networks[1], x.expand(-1, 2, -1, -1, -1)))


def test_each_of_several_channels_is_seen():
    network = classifier(in_channels=5).eval()
    first = network.stages[0][0].weight
    assert first.shape[1] == 5
    assert not torch.equal(first[:, 0], first[:, 1])  # nothing learned: channels do not begin alike


def test_every_key_that_does_not_fit_is_named(tmp_path):
    state = original("resnet18").state_dict()
    del state["layer1.0.conv1.weight"], state["fc.weight"]
    state |= {"layer9.weight": torch.zeros(1), "bn1.weight": torch.zeros(3)}
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(InputError) as error:
        classifier().load_pretrained(str(tmp_path / "weights.pt"))
    named = str(error.value)
    assert named.startswith(f"{tmp_path / 'weights.pt'}: does not fit resnet18")
    assert re.search("Missing key.*layer1.0.conv1.weight", named)
    assert re.search("Unexpected key.*layer9.weight", named)
    assert re.search("size mismatch for bn1.weight", named)
    assert "fc." not in named


def test_names_of_torchvisions_older_densenet_files(tmp_path):
    state = original("densenet121").state_dict()
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key): value for key, value in state.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "weights.pt")
    network = classifier("densenet121", in_channels=3)
    network.load_pretrained(str(tmp_path / "weights.pt"))
    torch.testing.assert_close(network.stages[0][0].weight.detach(), state["features.conv0.weight"])


def test_weights_that_cannot_be_had(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    network = classifier()
    with pytest.raises(InputError, match=r"IMAGENET1K_V1: cannot be downloaded .*resnet18-f37072fd.pth.*name the file"):
        network.load_pretrained("IMAGENET1K_V1")
    with pytest.raises(InputError, match=r"no such file\. Weights that torchvision has: IMAGENET1K_V1, DEFAULT"):
        network.load_pretrained("imagenet.pt")
    with pytest.raises(InputError, match=r"no such file\. Weights that torchvision has: none"):
        classifier("monai_resnet18").load_pretrained("DEFAULT")
    (tmp_path / "text.pt").write_text("no weights")
    (tmp_path / "empty.pt").touch()
    for file in ("text.pt", "empty.pt"):
        with pytest.raises(InputError, match="is no file that torch"):
            network.load_pretrained(str(tmp_path / file))
    torch.save({"epoch": 3}, tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="is no state dict"):
        network.load_pretrained(str(tmp_path / "checkpoint.pt"))
    torch.save({3: torch.zeros(1)}, tmp_path / "numbers.pt")
    with pytest.raises(InputError, match="is no state dict"):
        network.load_pretrained(str(tmp_path / "numbers.pt"))
    state = original("resnet18").state_dict()
    torch.save(state | {"conv1.weight": torch.full((64, 3, 7, 7), torch.nan)}, tmp_path / "nan.pt")
    with pytest.raises(InputError, match=r"conv1\.weight holds numbers that are not finite"):
        network.load_pretrained(str(tmp_path / "nan.pt"))
    torch.save(state | {"conv1.weight": torch.zeros(64)}, tmp_path / "flat.pt")
    with pytest.raises(InputError, match=r"conv1\.weight"):
        network.load_pretrained(str(tmp_path / "flat.pt"))


def test_downloaded_weights(monkeypatch):
    state = original("resnet18").state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: dict(state))
    network = classifier(in_channels=3)
    network.load_pretrained(None)
    assert not torch.equal(network.stages[0][0].weight, state["conv1.weight"])
    network.load_pretrained("DEFAULT")
    torch.testing.assert_close(network.stages[0][0].weight.detach(), state["conv1.weight"])
    assert pretrained_module.read_weights("resnet18", "IMAGENET1K_V1").keys() == state.keys()


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "efficientnet_b0"])
@pytest.mark.parametrize("frozen", [2, 5])
def test_frozen_stages_stay_as_they_are(name, frozen):
    network = classifier(name, frozen=frozen)
    network.eval().train()  # as MONAI's trainer does
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimizer = torch.optim.AdamW(network.parameter_groups(0.1), weight_decay=0.5)
    network(image(2, 1, 64, 64))["sex"].square().sum().backward()
    optimizer.step()
    kept = tuple(f"stages.{stage}." for stage in range(frozen))
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]) == (key.startswith(kept) or key.startswith("heads.age")), key
    assert {p for group in network.parameter_groups(1) for p in group["params"]} == {
        p for key, p in network.named_parameters() if not key.startswith(kept)
    }


@pytest.mark.parametrize("name", ["resnet18", "alexnet", "googlenet"])
def test_gradients_lie_in_memory_as_weights_do(name):
    """The optimiser's single pass (`fused`) relies on it."""
    network = classifier(name).train()
    network(image(2, 1, 64, 64))["sex"].square().sum().backward()
    taught = [p for p in network.parameters() if p.grad is not None]
    assert [p.grad.stride() for p in taught] == [p.stride() for p in taught]
    assert any(not p.is_contiguous() for p in taught)


def test_a_missing_sequence_counts_as_its_mean():
    network, x = classifier(in_channels=2).eval(), image(1, 2, 64, 64)
    with torch.no_grad():
        x[:, 1] = float("nan")
        missing = network(x)["sex"]
        x[:, 1] = 0
        torch.testing.assert_close(missing, network(x)["sex"])


@pytest.mark.parametrize(
    ("name", "size", "valid"),
    [
        ("resnet18", (32, 32), (64, 64)),
        ("resnet18", (121, 145), (128, 160)),
        ("resnet18", (20, 60), (32, 64)),
        ("alexnet", (32, 64), (64, 64)),
        ("monai_resnet18", (16, 9), (32, 32)),
    ],
)
def test_the_error_names_a_valid_size(name, size, valid):
    network = classifier(name)
    with pytest.raises(InputError, match=re.escape(f"image of {size} voxels")) as error:
        network(image(1, 1, *size))
    assert f"the next valid size is {valid}" in str(error.value)
    network(image(1, 1, *valid))  # in training, one image


def test_prediction_of_any_size():
    network = classifier().eval()
    heads = [Head("sex", Kind.CLASSES, ("F", "M")), Head("age", Kind.NUMBER, mean=50, sd=10)]
    answers = JointInferer(heads)(image(2, 1, 50, 70), network)
    assert answers["seg"].shape == (2, 1, 50, 70)
    torch.testing.assert_close(answers["sex"].sum(dim=1), torch.ones(2))


def test_prediction_of_an_image_as_small_as_the_strides_allow():
    network = classifier("monai_resnet18").eval()
    assert JointInferer([Head("sex", Kind.CLASSES, ("F", "M"))])(image(1, 1, 12, 9), network)["sex"].shape == (1, 2)


def test_what_there_is_not():
    with pytest.raises(InputError, match=r"architecture 'vgg': there is none for 2D images\. Choose resnet18"):
        classifier("vgg")
    with pytest.raises(InputError, match=r"'resnet18': there is none for 3D images\. Choose monai_resnet18"):
        classifier("resnet18", 3)
    with pytest.raises(InputError, match="frozen: is 6, but resnet18 has 5 stages"):
        classifier(frozen=6)
    with pytest.raises(InputError, match="cannot be named 'seg'"):
        classifier(heads={"seg": 2})

"""Published classifiers, cut into five stages of falling resolution and a pooling."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from monai.networks import nets
from monai.networks.blocks import Convolution
from monai.networks.layers import Pool
from torch import nn
from torchvision.models import GoogLeNet, get_model

from mtseg.errors import InputError
from mtseg.networks.pretrained import fill, read_weights


@dataclass(frozen=True)
class Architecture:
    """How a published classifier is made and where it is cut.

    Args:
        make: Makes it for images of (spatial_dims, in_channels); torchvision's take three channels whatever is asked.
        cut: Gives the modules of each stage, and last those from the last feature maps to the last layer's input.
        first: Its first convolution.
        last: Its last layer, which goes.
        published: Name under which torchvision has weights of it; None for the others.
        reduction: Product of the strides.
        smallest: Least size along each axis in voxels.
        maps: Channels of the last feature maps; 0: as many as the last layer has inputs.
    """

    make: Callable[[int, int], nn.Module]
    cut: Callable[[Any], list[list[nn.Module]]]
    first: str
    last: str
    published: str | None = None
    reduction: int = 32
    smallest: int = 32
    maps: int = 0


@dataclass(frozen=True)
class Backbone:
    """A classifier without its last layer.

    Attributes:
        stages: Image (B, C, ...) to feature maps; each stage is an `nn.Sequential`.
        pool: The last stage's maps to (B, features).
        maps: Channels of the last stage's maps.
        features: Length of the vector.
    """

    stages: nn.Sequential
    pool: nn.Sequential
    maps: int
    features: int


def find_architecture(name: str, *, spatial_dims: int) -> Architecture:
    """Look an architecture up.

    Raises:
        InputError: There is none of this name, or not for 3D images; lists those that there are.
    """
    known = [one for one, architecture in ARCHITECTURES.items() if spatial_dims == 2 or not architecture.published]
    if name not in known:
        raise InputError(f"architecture '{name}': there is none for {spatial_dims}D images. Choose {', '.join(known)}")
    return ARCHITECTURES[name]


def make_backbone(name: str, *, spatial_dims: int, in_channels: int, weights: str | None = None) -> Backbone:
    """Make a backbone, without weights or with learned ones.

    Learned weights of the first layer are averaged over its channels and repeated, scaled so that a grey image, the
    same in all channels, has the response that it had before.

    Args:
        name: One of `ARCHITECTURES`.
        spatial_dims: 2 or 3.
        in_channels: Number of sequences.
        weights: See `read_weights`.

    Raises:
        InputError: No such architecture, or weights that cannot be had or do not fit.
    """
    architecture = find_architecture(name, spatial_dims=spatial_dims)
    state = None if weights is None else read_weights(architecture.published, weights)
    first = None if state is None else state.get(f"{architecture.first}.weight")
    # Of a layer of another kind, filling says that it does not fit.
    learned = in_channels if first is None or first.ndim != spatial_dims + 2 else first.shape[1]
    network = architecture.make(spatial_dims, learned)
    features = int(network.get_submodule(architecture.last).in_features)  # type: ignore[arg-type]
    network.set_submodule(architecture.last, nn.Identity())
    if state is not None:
        fill(network, state, source=f"{weights}: does not fit {name}", ignored=(architecture.last, "aux1", "aux2"))
    _take_channels(network.get_submodule(architecture.first), in_channels, network, learned=state is not None)  # type: ignore[arg-type]
    *stages, pool = [nn.Sequential(*modules) for modules in architecture.cut(network)]
    return Backbone(nn.Sequential(*stages), pool, architecture.maps or features, features)


def _take_channels(first: nn.Conv2d | nn.Conv3d, channels: int, network: nn.Module, *, learned: bool) -> None:
    """Change the first convolution in place."""
    before, weight = first.in_channels, first.weight.detach()
    constant = weight[:, :0]
    if isinstance(network, GoogLeNet):
        # Its ImageNet weights are for values of -1 to 1: torchvision rescales what was normalised as for all others.
        # The factors go into the weights; what is added becomes a channel of ones, so that it ends at the border too.
        scale, shift = (torch.tensor(values)[:, None, None] for values in zip(*_RESCALING, strict=True))
        weight, constant = weight * scale, (weight * shift).sum(dim=1, keepdim=True)
    if channels != before:
        weight = (weight.mean(dim=1, keepdim=True) * before / channels).repeat_interleave(channels, dim=1)
    first.weight = nn.Parameter(torch.cat([weight, constant], dim=1))
    first.in_channels = first.weight.shape[1]
    if not learned and first.in_channels != before:
        first.reset_parameters()  # nothing to keep, and channels should not begin alike


_RESCALING = [
    (sd / 0.5, (mean - 0.5) / 0.5) for mean, sd in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
]
"""Factor and summand of red, green and blue that lead from ImageNet's normalisation to (value - 0.5) / 0.5."""


def _resnet(net: Any) -> list[list[nn.Module]]:
    relu = net.relu if hasattr(net, "relu") else net.act  # torchvision's and MONAI's name
    stem = [net.conv1, net.bn1, relu]
    return [stem, [net.maxpool, net.layer1], [net.layer2], [net.layer3], [net.layer4], [net.avgpool, nn.Flatten()]]


def _alexnet(net: Any) -> list[list[nn.Module]]:
    *stages, pool = [
        [*net.features[start:stop]] for start, stop in ((0, 2), (2, 5), (5, 8), (8, 10), (10, 12), (12, 13))
    ]
    return [*stages, [*pool, net.avgpool, nn.Flatten(), net.classifier]]


def _googlenet(net: Any) -> list[list[nn.Module]]:
    return [
        [nn.ConstantPad3d((0, 0, 0, 0, 0, 1), 1.0), net.conv1],  # the channel of ones, see `_take_channels`
        [net.maxpool1, net.conv2, net.conv3],
        [net.maxpool2, net.inception3a, net.inception3b],
        [net.maxpool3, net.inception4a, net.inception4b, net.inception4c, net.inception4d, net.inception4e],
        [net.maxpool4, net.inception5a, net.inception5b],
        [net.avgpool, nn.Flatten(), net.dropout],
    ]


def _densenet(net: Any) -> list[list[nn.Module]]:
    f = net.features
    pool = net.class_layers.pool if hasattr(net, "class_layers") else nn.AdaptiveAvgPool2d(1)  # MONAI's, torchvision's
    return [
        [f.conv0, f.norm0, f.relu0],
        [f.pool0, f.denseblock1],
        [f.transition1, f.denseblock2],
        [f.transition2, f.denseblock3],
        [f.transition3, f.denseblock4, f.norm5, nn.ReLU(inplace=True)],
        [pool, nn.Flatten()],
    ]


def _efficientnet(net: Any) -> list[list[nn.Module]]:
    stages = [[*net.features[start:stop]] for start, stop in ((0, 2), (2, 3), (3, 4), (4, 6), (6, 9))]
    return [*stages, [net.avgpool, nn.Flatten(), net.classifier]]


def _senet(net: Any) -> list[list[nn.Module]]:
    stages = [[net.layer0], [net.layer1], [net.layer2], [net.layer3], [net.layer4]]
    return [*stages, [net.adaptive_avg_pool, nn.Flatten()]]


_PLAIN_GRID = 6


class _Plain(nn.Module):
    """Five convolutions, and one linear layer that sees where on a coarse grid something is."""

    def __init__(self, dims: int, channels: int):
        super().__init__()
        widths = [channels, 16, 32, 64, 64, 64]
        self.convolutions = nn.ModuleList(
            Convolution(dims, a, b, strides=1 if stage == 0 else 2, act="relu", norm="batch", adn_ordering="NA")
            for stage, (a, b) in enumerate(pairwise(widths))
        )
        self.pool = Pool[Pool.ADAPTIVEAVG, dims](_PLAIN_GRID)
        self.fc = nn.Linear(widths[-1] * _PLAIN_GRID**dims, 1000)


def _plain(net: Any) -> list[list[nn.Module]]:
    return [*([stage] for stage in net.convolutions), [net.pool, nn.Flatten()]]


def _torchvision(
    name: str, cut: Callable[[Any], list[list[nn.Module]]], first: str, last: str, **about: int
) -> Architecture:
    options = {"aux_logits": False, "init_weights": True} if name == "googlenet" else {}
    return Architecture(lambda *_: get_model(name, weights=None, **options), cut, first, last, name, **about)


def _monai_resnet(make: Callable[..., nn.Module]) -> Architecture:
    # MONAI's first convolution has stride 1 where torchvision's has 2.
    return Architecture(
        lambda dims, channels: make(spatial_dims=dims, n_input_channels=channels, num_classes=1000),
        _resnet, "conv1", "fc", reduction=16, smallest=16,
    )  # fmt: skip


ARCHITECTURES = {
    "resnet18": _torchvision("resnet18", _resnet, "conv1", "fc"),
    "resnet50": _torchvision("resnet50", _resnet, "conv1", "fc"),
    "alexnet": _torchvision("alexnet", _alexnet, "features.0", "classifier.6", smallest=64, maps=256),
    "googlenet": _torchvision("googlenet", _googlenet, "conv1.conv", "fc"),
    "densenet121": _torchvision("densenet121", _densenet, "features.conv0", "classifier"),
    "efficientnet_b0": _torchvision("efficientnet_b0", _efficientnet, "features.0.0", "classifier.1"),
    "monai_resnet18": _monai_resnet(nets.resnet18),
    "monai_resnet50": _monai_resnet(nets.resnet50),
    "monai_densenet121": Architecture(
        lambda dims, channels: nets.DenseNet121(spatial_dims=dims, in_channels=channels, out_channels=1000),
        _densenet, "features.conv0", "class_layers.out",
    ),
    "monai_seresnet50": Architecture(
        lambda dims, channels: nets.SEResNet50(spatial_dims=dims, in_channels=channels, num_classes=1000),
        _senet, "layer0.conv1", "last_linear",
    ),
    "plain": Architecture(_Plain, _plain, "convolutions.0.conv", "fc", reduction=16, smallest=32, maps=64),
}  # fmt: skip
"""Of torchvision by its names, for 2D images; of MONAI, and `plain`, in 2D and 3D."""

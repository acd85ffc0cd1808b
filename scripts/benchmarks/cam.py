"""Grad-CAM beside captum, MONAI and pytorch-grad-cam."""

from collections.abc import Callable, Iterator

import torch
from captum.attr import LayerGradCam
from monai.visualize import GradCAM as MonaiGradCam
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchvision.models import resnet18

from benchmarks.timing import DEFAULT_NETWORK, PATCH, seconds
from mtseg.cam import Explainer, HeadTarget
from mtseg.networks import JointNet


class OneHead(nn.Module):
    """The joint network as the peers want it: one tensor comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.net = JointNet(**DEFAULT_NETWORK)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, D, H, W) -> (B, classes)."""
        return self.net(image)["size"]


def run() -> None:
    """Time Grad-CAM of a batch, all in float32, against a forward and backward pass of the same batch."""
    networks = {
        "ResNet18, 3x224x224": (resnet18(), "layer4", (3, 224, 224)),
        "JointNet, 1x40x56x40": (OneHead(), "net.encoder.levels.3", (1, *PATCH)),
    }
    for title, (net, layer, shape) in networks.items():
        net.eval()
        for batch in (1, 4, 16):
            image = torch.randn(batch, *shape)
            base = seconds(lambda net=net, image=image: _forward_backward(net, image))
            ratios = [f"{name} {seconds(run) / base:.2f}" for name, run in _cams(net, layer, image)]
            print(f"{title}, batch {batch}, forward + backward {base * 1e3:.0f} ms = 1: {', '.join(ratios)}")


def _forward_backward(net: nn.Module, image: Tensor) -> None:
    net.zero_grad()
    net(image)[:, 1].sum().backward()


def _cams(net: nn.Module, layer: str, image: Tensor) -> Iterator[tuple[str, Callable[[], object]]]:
    """Each way to the maps of class 1 on the image's grid; hooks of one are gone when the next comes."""
    with Explainer(net, layers=[layer]) as explain:
        yield "mtseg", lambda: explain(image, HeadTarget(index=1), method="gradcam")
    target = net.get_submodule(layer)
    mode = {4: "bilinear", 5: "trilinear"}[image.ndim]
    captum = LayerGradCam(net, target)
    yield "captum", lambda: LayerGradCam.interpolate(captum.attribute(image, target=1), image.shape[2:], mode)
    monai = MonaiGradCam(net, target_layers=layer)
    yield "MONAI", lambda: monai(image, class_idx=1)
    target._forward_hooks.clear()  # MONAI leaves its own behind
    target._backward_hooks.clear()
    with GradCAM(model=net, target_layers=[target]) as theirs:
        targets = [ClassifierOutputTarget(1)] * len(image)
        yield "pytorch-grad-cam", lambda: theirs(input_tensor=image, targets=targets)

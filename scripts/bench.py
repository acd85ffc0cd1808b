"""Print how fast mtseg is on this machine, beside the plain way and the peers, in one run.

python scripts/bench.py network    the default network in its own number format and layout, and in the plain ones
python scripts/bench.py onnx       a forward pass in ONNX Runtime, as a ratio to torch, on one core
python scripts/bench.py cam        maps, as a ratio to a forward and backward pass; needs the extra `bench`
python scripts/bench.py zncc       the similarity of 450 maps, as a ratio to the bare matrix product
python scripts/bench.py experiment    four trainings on two workers, as a ratio to one after the other
python scripts/bench.py ssp        one volume to eight views of Z, and making the surface once
python scripts/bench.py habenula   both habenulae of one head of 1 mm, by stage, from a cold start
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer

from mtseg.networks import JointNet
from mtseg.networks.convolution import FastConvolutions
from mtseg.networks.precision import autocast

SIZE = (40, 56, 40)
NETWORK = {"in_channels": 1, "mask_classes": 3, "heads": {"size": 2}}


def main() -> None:
    """Run one benchmark."""
    benchmarks = {
        "network": bench_network,
        "onnx": bench_onnx,
        "cam": bench_cam,
        "zncc": bench_zncc,
        "experiment": bench_experiment,
        "ssp": bench_ssp,
        "habenula": bench_habenula,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=benchmarks)
    what = parser.parse_args().what
    amx = torch.cpu._is_amx_tile_supported()
    print(f"{torch.backends.cpu.get_cpu_capability()}, AMX: {amx}, {torch.get_num_threads()} threads")
    benchmarks[what]()


def seconds(run: Callable[[], object]) -> float:
    """Median time of a call."""
    run()
    return Timer("run()", globals={"run": run}).blocked_autorange(min_run_time=3).median


def bench_network() -> None:
    """Time the forward pass (batch 2) and a training step (batch 4) of the default network."""
    fast, plain = JointNet(**NETWORK), JointNet(**NETWORK)
    plain.memory_format = torch.contiguous_format
    plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for name, run, batch in (("forward", forward, 2), ("training step", training_step, 4)):
        image = torch.randn(batch, 1, *SIZE)
        ours, theirs = (
            seconds(lambda run=run, net=net, image=image, is_fast=is_fast: run(net, image, is_fast))
            for net, is_fast in ((fast, True), (plain, False))
        )
        print(
            f"{name}, {'x'.join(map(str, image.shape))}: bfloat16 channels-last {ours * 1e3:.0f} ms, "
            f"float32 contiguous {theirs * 1e3:.0f} ms, ratio {theirs / ours:.1f}"
        )


def forward(net: nn.Module, image: Tensor, fast: bool) -> None:
    """One pass as in prediction."""
    net.eval()
    with torch.inference_mode():
        _answers(net, image, fast)


def training_step(net: nn.Module, image: Tensor, fast: bool) -> None:
    """Forward and backward pass."""
    net.train()
    net.zero_grad()
    answers = _answers(net, image, fast)
    torch.stack([answer.float().square().mean() for answer in answers.values()]).sum().backward()


def _answers(net: nn.Module, image: Tensor, fast: bool) -> dict[str, Tensor]:
    if not fast:
        return net(image)
    with autocast(image.device):
        return net(image)


class OneHead(nn.Module):
    """The joint network as the peers want it: one tensor comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.net = JointNet(**NETWORK)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, D, H, W) -> (B, classes)."""
        return self.net(image)["size"]


def bench_cam() -> None:
    """Time Grad-CAM of a batch, all in float32, against a forward and backward pass of the same batch."""
    from torchvision.models import resnet18

    networks = {
        "ResNet18, 3x224x224": (resnet18(), "layer4", (3, 224, 224)),
        "JointNet, 1x40x56x40": (OneHead(), "net.encoder.levels.3", (1, *SIZE)),
    }
    for title, (net, layer, shape) in networks.items():
        net.eval()
        for batch in (1, 4, 16):
            image = torch.randn(batch, *shape)
            base = seconds(lambda net=net, image=image: _forward_backward(net, image))
            ratios = [f"{name} {seconds(run) / base:.2f}" for name, run in _cams(net, layer, image)]
            print(f"{title}, batch {batch}, forward + backward {base * 1e3:.0f} ms = 1: {', '.join(ratios)}")


def bench_onnx() -> None:
    """Time an exported `hippocampus_t1` and torch in turns, by the processor's time: other work does not count."""
    from mtseg.bundle import find
    from mtseg.export import export
    from mtseg.inference import OnnxNetwork, load_weights

    torch.set_num_threads(1)
    network = load_weights(JointNet(**NETWORK), find("hippocampus_t1") / "models" / "model.pt").eval()
    with TemporaryDirectory() as folder:
        export("hippocampus_t1", to="onnx", out=folder)
        exported, image = OnnxNetwork(Path(folder) / "model.onnx"), torch.randn(1, 1, *SIZE)
    with torch.inference_mode(), autocast(image.device), FastConvolutions():  # as in prediction
        pairs = [[_processor_seconds(net, image) for net in (exported, network)] for _ in range(43)][3:]
        number = "bfloat16" if torch.is_autocast_enabled("cpu") else "float32"
    ours, theirs = zip(*pairs, strict=True)
    first, ratio, third = quantiles([one / other for one, other in pairs])
    print(
        f"1x1x{'x'.join(map(str, SIZE))}, {len(pairs)} pairs: ONNX Runtime, float32 {median(ours) * 1e3:.0f} ms, "
        f"torch, {number} {median(theirs) * 1e3:.0f} ms, ratio {ratio:.2f} (quartiles {first:.2f} to {third:.2f})"
    )


def _processor_seconds(net: nn.Module, image: Tensor) -> float:
    start = process_time()
    net(image)
    return process_time() - start


def _forward_backward(net: nn.Module, image: Tensor) -> None:
    net.zero_grad()
    net(image)[:, 1].sum().backward()


def _cams(net: nn.Module, layer: str, image: Tensor) -> Iterator[tuple[str, Callable[[], object]]]:
    """Each way to the maps of class 1 on the image's grid; hooks of one are gone when the next comes."""
    from captum.attr import LayerGradCam
    from monai.visualize import GradCAM as MonaiGradCam
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    from mtseg.cam import Explainer, HeadTarget

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


def bench_zncc() -> None:
    """Time the matrix of 450 maps of 64 x 64 x 64 voxels against one matrix product of the same size."""
    from mtseg.cam.similarity import zncc

    maps = torch.rand(450, 64**3).numpy()
    base, ours = seconds(lambda: maps @ maps.T), seconds(lambda: zncc(maps))
    print(f"450 maps of 64^3: product {base * 1e3:.0f} ms, ZNCC {ours * 1e3:.0f} ms, ratio {ours / base:.2f}")


def bench_experiment() -> None:
    """Time four trainings on a generated cohort: in this process, with all cores, and on two workers that share them.

    The workers' start is part of their time.
    """
    from mtseg.data import read_cohort, write_cohort
    from mtseg.data.folds import split_cohort
    from mtseg.data.template import make_template_cohort
    from mtseg.experiment import run_experiment

    with TemporaryDirectory() as folder:
        table = make_template_cohort(Path(folder) / "cohort", subjects=30)
        write_cohort(split_cohort(read_cohort(table), folds=3, stratify=["outcome"]).table, table)
        spec = {"bundle": "stroke_dwi_adc", "cohort": str(table), "folds": [0, 1], "seeds": [0, 1]}
        spec |= {"settings": {"epochs": 10, "val_interval": 10}, "variants": {"joint": {}}}
        (Path(folder) / "spec.yaml").write_text(json.dumps(spec))
        took = {}
        for cluster in (None, "local:2"):
            began = perf_counter()
            run_experiment(Path(folder) / "spec.yaml", out=Path(folder) / f"out_{cluster}", cluster=cluster)
            took[cluster] = perf_counter() - began
    one, two = took.values()
    print(f"four trainings: one after the other {one:.0f} s, on two workers {two:.0f} s, efficiency {one / two:.2f}")


def bench_ssp() -> None:
    """Time 3D-SSP of a 2 mm volume: projection, reference region, Z against 28 normal subjects, eight views."""
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

    from mtseg.cam.atlas import make_atlas
    from mtseg.ssp import NormalDatabase, Reference, mni_surface, project, reference_mean, view_maps

    began = perf_counter()
    maps = view_maps(surface := mni_surface())
    made = perf_counter() - began
    image, atlas = load_mni152_template(resolution=2), make_atlas(load_mni152_brain_mask(resolution=2), {1: "brain"})
    people = torch.rand(28, len(surface.points)).numpy()
    profiles = {str(number): profile for number, profile in enumerate(people)}
    normals = NormalDatabase.of(profiles, surface=surface, reference=Reference.GLB)

    def views() -> None:
        profile = project(image, surface) / reference_mean(image, normals.reference, atlas=atlas)
        maps.render(normals.z(profile))

    print(f"{len(surface.points)} points: surface and views {made:.1f} s once, a volume {seconds(views) * 1e3:.0f} ms")


def bench_habenula() -> None:
    """Time each stage of the first head, with what is loaded once, and of a second one; and the memory in all."""
    from resource import RUSAGE_SELF, getrusage

    from nilearn.datasets import load_mni152_template

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


if __name__ == "__main__":
    main()

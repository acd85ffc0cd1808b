"""Forward pass and training step of the joint network and of the peers' networks, each as it is run there.

On a GPU all networks have their channels last, as the joint network always has, and each is compiled as well.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from itertools import product
from multiprocessing import get_context
from resource import RUSAGE_SELF, getrusage

import torch
from monai.losses import DiceCELoss
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.limits import ceiling
from benchmarks.peers import CHECKPOINTING, CLASSES, NETWORKS, OURS
from benchmarks.timing import DEVICE, NUMBERS, PATCH, seconds
from mtseg.memory import reuse_memory
from mtseg.networks.convolution import FastConvolutions
from mtseg.networks.precision import autocast

OWN = (OURS, CHECKPOINTING)
SHAPES = ((7, 1, *PATCH), (1, 1, 128, 128, 128))


def run() -> None:
    """Print time, share of the fastest convolution, and memory; each in a process of its own."""
    for shape, train in product(SHAPES, (True, False)):
        print(f"{'training step' if train else 'forward pass'}, {'x'.join(map(str, shape))}")
        ours = None
        for name, compiled in _ways(train=train):
            with ProcessPoolExecutor(1, get_context("spawn")) as alone:
                took, flop, share, gigabytes = alone.submit(measure, name, shape, train, compiled).result()
            ours = ours or took
            print(
                f"    {name}{', compiled' * compiled}: {took * 1e3:.0f} ms, {took / ours:.2f} of {OURS}, "
                f"{flop / 1e9:.0f} GFLOP, {share:.2f} of the fastest convolution, {gigabytes:.2f} GB",
                flush=True,
            )


def _ways(*, train: bool) -> Iterator[tuple[str, bool]]:
    """Networks, and whether they are compiled."""
    for name in NETWORKS:
        if train or name != CHECKPOINTING:
            yield name, False
        if DEVICE.type == "cuda" or name == OURS:
            yield name, True


def measure(name: str, shape: tuple[int, ...], train: bool, compiled: bool) -> tuple[float, float, float, float]:
    """Seconds, FLOP, share of the fastest convolution in the same number format, and memory above that of a start."""
    if name in OWN:
        reuse_memory()
    network, image = NETWORKS[name]().to(DEVICE).train(train), torch.randn(shape, device=DEVICE)
    if DEVICE.type == "cuda":
        network, image = (what.to(memory_format=torch.channels_last_3d) for what in (network, image))
    runs = torch.compile(network) if compiled else network
    mask = torch.randint(CLASSES, (shape[0], 1, *shape[2:]), device=DEVICE)
    loss = DiceCELoss(to_onehot_y=True, softmax=True)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)

    def step() -> None:
        with _as_run(name, train=train):
            logits = _logits(runs(image))
        if train:
            optimizer.zero_grad()
            loss(logits.float(), mask).backward()
            optimizer.step()

    before = _memory()
    took = seconds(step, at_least=8.0)
    peak = _memory() - before
    with torch.set_grad_enabled(train), FlopCounterMode(display=False) as counter:
        logits = _logits(network(image))  # what FastConvolutions call, or compiled code, is not counted
        if train:
            loss(logits.float(), mask).backward()
    flop = counter.get_total_flops()
    fastest = ceiling(NUMBERS[-1] if name in OWN or DEVICE.type == "cuda" else torch.float32)  # it needs memory too
    return took, flop, flop / took / fastest, peak


def _logits(answer: dict[str, Tensor] | Tensor) -> Tensor:
    return answer["seg"] if isinstance(answer, dict) else answer


def _as_run(name: str, *, train: bool) -> AbstractContextManager:
    """As the networks are run in training and prediction: nnU-Net and MONAI on a CPU in float32, all on a GPU mixed."""
    context = ExitStack()
    if not train:
        context.enter_context(torch.inference_mode())
    if DEVICE.type == "cuda" or name in OWN:
        context.enter_context(autocast(DEVICE))
    if name in OWN and not train:
        context.enter_context(FastConvolutions())
    return context


def _memory() -> float:
    """The most that was held so far, GB."""
    if DEVICE.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    return getrusage(RUSAGE_SELF).ru_maxrss / 1e6

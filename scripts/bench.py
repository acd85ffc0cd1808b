"""Print how fast the default network is on this machine, in its own number format and layout and in the plain ones."""

import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer

from mtseg.networks import JointNet
from mtseg.networks.precision import autocast

SIZE = (40, 56, 40)


def main() -> None:
    """Time the forward pass (batch 2) and a training step (batch 4) of the default network."""
    print(f"{torch.backends.cpu.get_cpu_capability()}, AMX: {torch.cpu._is_amx_tile_supported()}")
    fast, plain = JointNet(**NETWORK), JointNet(**NETWORK)
    plain.memory_format = torch.contiguous_format
    plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for name, run, batch in (("forward", forward, 2), ("training step", training_step, 4)):
        image = torch.randn(batch, 1, *SIZE)
        seconds = [
            Timer("run(net, image, fast)", globals={"run": run, "net": net, "image": image, "fast": is_fast})
            .blocked_autorange(min_run_time=5)
            .median
            for net, is_fast in ((fast, True), (plain, False))
        ]
        shape = "x".join(map(str, image.shape))
        print(
            f"{name}, {shape}: bfloat16 channels-last {seconds[0] * 1e3:.0f} ms, "
            f"float32 contiguous {seconds[1] * 1e3:.0f} ms, ratio {seconds[1] / seconds[0]:.1f}"
        )


NETWORK = {"in_channels": 1, "mask_classes": 3, "heads": {"size": 2}}


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


if __name__ == "__main__":
    main()

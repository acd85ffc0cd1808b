"""Whether fast prediction costs accuracy: one trained network's masks by mtseg's tiles and by nnU-Net's predictor."""

from collections.abc import Sequence
from contextlib import nullcontext
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pandas as pd
from torch import Tensor, nn

from benchmarks.sliding_window import theirs
from mtseg.bundle import evaluate
from mtseg.inference import JointInferer
from mtseg.statistics import paired_numbers


def run(trained: str, cohort: str, *edges: str) -> None:
    """Print the Dice of fold 0, in tiles of which each is at most as large as that size, e.g. 64 80 64.

    Args:
        trained: Folder of a training of masks alone (`--set heads={}`) without fold 0.
        cohort: Its table.
        *edges: Voxels along each axis; images must be larger.
    """
    tile = [int(edge) for edge in edges]
    peer = _dice(trained, cohort, tile=tile, by_nnunet=True)
    print(f"nnU-Net's predictor, float32, tiles overlap by half: Dice {peer.mean():.4f}, n {len(peer)}", flush=True)
    ours = {
        "the same tiles": _dice(trained, cohort, tile=tile),
        "few even tiles, no larger": _dice(trained, cohort, tile=None, largest=prod(tile)),
    }
    for name, dice in ours.items():
        apart = paired_numbers(dice, peer)
        print(f"mtseg, {name}: {apart.difference:+.4f} ({apart.low:+.4f} to {apart.high:+.4f})")


def _dice(
    trained: str, cohort: str, *, tile: Sequence[int] | None, largest: int = 0, by_nnunet: bool = False
) -> pd.Series:
    def answer(self: JointInferer, image: Tensor, network: nn.Module) -> dict[str, Tensor]:
        logits = theirs(image[0], _Mask(network), tile=self.tile, classes=network.mask_layers[0].conv.out_channels)
        return {"seg": logits[None].float().softmax(dim=1)}

    by = patch.object(JointInferer, "_answer", answer) if by_nnunet else nullcontext()
    memory = patch("mtseg.networks.tiles.LARGEST_WHOLE", largest)
    with TemporaryDirectory() as folder, by, memory:
        size = f"tile_size={'null' if tile is None else list(tile)}"
        evaluate(trained, cohort=cohort, out=f"{folder}/scores", fold=0, settings=[size])
        return pd.read_csv(Path(folder) / "scores" / "cases.tsv", sep="\t", index_col=0)["dice_mean"]


class _Mask(nn.Module):
    """The mask's logits alone, as nnU-Net's predictor expects them."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image)["seg"]

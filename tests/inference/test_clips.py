from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mtseg.inference import ClipInferer, JointInferer
from mtseg.inference.clips import clip_starts
from mtseg.networks import JointNet
from mtseg.tasks import Head, Kind

HEADS = (Head("size", Kind.CLASSES, ("small", "large")), Head("age", Kind.NUMBER, mean=50, sd=20))


class FirstVolume(nn.Module):
    """Answers with the first channel of what it is given; notes the clips that it saw."""

    reduction = smallest = (1, 1, 1)

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[float]] = []

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        self.seen.append(x[0, :, 0, 0, 0].tolist())
        value = x[:, :1].flatten(2).mean(2)
        return {"seg": x.new_zeros(len(x), 1, *x.shape[2:]), "size": torch.cat([0 * value, value], 1), "age": value}


def run(volumes: int) -> torch.Tensor:
    """Every voxel of a volume is the volume's number."""
    return torch.arange(float(volumes))[None, :, None, None, None].expand(1, -1, 3, 4, 2).clone()


def answer(volumes: int, clip: int | None) -> tuple[dict[str, torch.Tensor], list[list[float]]]:
    network = FirstVolume()
    return ClipInferer(JointInferer(HEADS), volumes=clip)(run(volumes), network), network.seen


def test_answers_are_the_means_over_the_clips():
    answers, seen = answer(11, 4)
    assert seen == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9], [7, 8, 9, 10]]
    starts = torch.tensor([0.0, 2, 4, 6, 7])
    assert answers["age"].item() == pytest.approx(float((50 + 20 * starts).mean()))
    # Probabilities are averaged, not logits.
    assert answers["size"][0, 1].item() == pytest.approx(float(starts.sigmoid().mean()), abs=1e-3)
    assert answers["size"].sum().item() == pytest.approx(1)
    assert answers["seg"].shape == (1, 1, 3, 4, 2)


def test_a_clip_as_long_as_the_run_is_the_run():
    assert answer(7, 7)[1] == [[0, 1, 2, 3, 4, 5, 6]]


def test_what_is_no_run_is_passed_on():
    assert answer(3, None)[1] == [[0, 1, 2]]


@given(st.integers(1, 40), st.integers(0, 60))
def test_clips_cover_the_run_in_order_and_do_not_leave_it(clip, more):
    starts = clip_starts(clip + more, clip)
    assert starts[0] == 0 and starts[-1] == more
    steps = [after - before for before, after in pairwise(starts)]
    assert all(1 <= step <= max(1, clip // 2) for step in steps)


def test_a_mask_is_averaged_too():
    torch.manual_seed(0)
    network = JointNet(in_channels=4, mask_classes=3, heads={"size": 2, "age": 1}, channels=(4, 6)).eval()
    image, joint = torch.randn(2, 6, 8, 8, 8), JointInferer(HEADS)
    with torch.no_grad():
        found = ClipInferer(joint, volumes=4)(image, network)
        clips = [joint(image[:, start : start + 4], network) for start in (0, 2)]
    for name in ("seg", "size", "age"):
        torch.testing.assert_close(found[name], (clips[0][name] + clips[1][name]) / 2)

"""From scores to classes, and the layout of gradients."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtseg.networks import JointNet
from mtseg.networks.labels import largest, voxels_of_structures


@settings(max_examples=30)
@given(classes=st.integers(1, 5), seed=st.integers(0, 99), steps=st.integers(1, 3))
def test_largest_is_the_first_of_the_largest(classes, seed, steps):
    # few values, so that many are equal
    scores = torch.randint(0, steps + 1, (2, classes, 3, 4, 2), generator=torch.Generator().manual_seed(seed))
    found = largest(scores.float())
    assert torch.equal(found.long(), scores.float().argmax(dim=1))
    counts = [image.flatten().long().bincount(minlength=classes)[1:] for image in found]
    assert torch.equal(voxels_of_structures(scores), torch.stack(counts))


def test_gradients_keep_the_layout_of_the_maps():
    network = JointNet(in_channels=1, mask_classes=2, heads={}, channels=[4, 8, 8], deep_supervision=1).train()
    layouts = []
    for layer in network.mask_layers:
        layer.register_full_backward_pre_hook(
            lambda _, gradients: layouts.append(gradients[0].is_contiguous(memory_format=torch.channels_last_3d))
        )
    answers = network(torch.randn(2, 1, 8, 8, 8))
    torch.autograd.backward([*answers.values()], [torch.randn(logits.shape) for logits in answers.values()])
    assert layouts == [True, True]

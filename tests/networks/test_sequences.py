"""Missing sequences in the network and in training."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mtseg.networks import JointNet
from mtseg.transforms import SequenceDropout


def network(sequences: int) -> JointNet:
    torch.manual_seed(0)
    return JointNet(in_channels=sequences, mask_classes=2, heads={"cls": 2}, channels=(4, 8)).eval()


def test_missing_is_not_zero_and_has_finite_answers():
    x = torch.randn(2, 3, 8, 8, 8)
    zero, missing = x.clone(), x.clone()
    zero[0, 1], missing[0, 1] = 0, torch.nan
    full, with_zero, without = (network(3)(image) for image in (x, zero, missing))
    for name in ("seg", "cls"):
        assert without[name].isfinite().all()
        assert not torch.allclose(without[name][0], with_zero[name][0], atol=1e-4)
        torch.testing.assert_close(without[name][1], full[name][1])  # the other subject has all


def test_which_one_is_missing_matters_and_its_gradient_is_finite():
    net, x = network(2).train(), torch.randn(1, 2, 8, 8, 8)
    answers = []
    for k in range(2):
        image = x.clone()
        image[:, k] = torch.nan
        answers.append(net(image)["seg"])
    assert not torch.allclose(*answers)
    sum(a.square().mean() for a in answers).backward()
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)
    assert net.encoder.gate.change.grad.abs().sum() > 0


def test_one_sequence_needs_no_gate():
    assert network(1).encoder.gate is None


@given(
    st.lists(st.lists(st.booleans(), min_size=3, max_size=3).filter(any), min_size=1, max_size=4),
    st.floats(0, 1),
    st.integers(0, 99),
)
def test_dropout_keeps_at_least_one_and_brings_none_back(there, probability, seed):
    torch.manual_seed(seed)
    there = torch.tensor(there)
    image = torch.ones(len(there), 3, 2, 2, 2)
    image[~there] = torch.nan
    left = ~SequenceDropout(probability=probability, droppable=[True] * 3)(image).flatten(2).isnan().any(dim=2)
    assert left.any(dim=1).all()
    assert not (left & ~there).any()


@pytest.mark.parametrize(("probability", "droppable", "share"), [(0.0, True, 1.0), (1.0, False, 1.0), (0.3, True, 0.7)])
def test_dropout_leaves_out_as_often_as_said(probability, droppable, share):
    torch.manual_seed(0)
    image = torch.zeros(2000, 4, 1, 1)
    dropped = SequenceDropout(probability=probability, droppable=[droppable] * 3 + [False])(image)
    there = ~dropped.isnan()
    assert there[:, 3].all()
    assert there[:, :3].float().mean() == pytest.approx(share, abs=0.03)

import re
from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from mtseg.cam import Explainer, HeadTarget
from mtseg.errors import InputError
from mtseg.networks import JointNet
from mtseg.networks.heads import BottleneckPool, Pooling, RunningStandardise


def net(**options) -> JointNet:
    torch.manual_seed(0)
    defaults = {"in_channels": 1, "mask_classes": 3, "heads": {"sex": 2, "age": 1}, "channels": (4, 6, 8)}
    return JointNet(**defaults | options)


def image(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(7))


def test_a_bottleneck_voxel_looks_round_the_first_voxel_of_its_block():
    """As the page on maps says: what it sees lies (8 - 1) / 2 voxels before the middle of where a map draws it."""
    network, x = net(spatial_dims=2, channels=(8, 8, 8, 8), heads={}).eval(), image(20, 1, 64, 64).requires_grad_()
    features = network.encoder(x)[-1][:, :, 4, 4]
    (gradients,) = torch.autograd.grad(features.diagonal().sum() + features[8:].diagonal().sum(), x)
    weights = gradients.square().sum(dim=(0, 1))
    for axis in (0, 1):
        along = weights.sum(dim=axis)
        assert (along * torch.arange(64)).sum() / along.sum() == pytest.approx(4 * 8, abs=1)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 1, 8, 12, 4), {}),
        ((1, 3, 8, 12), {"spatial_dims": 2, "in_channels": 3}),
        ((1, 2, 8, 8, 5), {"in_channels": 2, "strides": [1, [2, 2, 1], [2, 2, 1]]}),
        ((1, 1, 8, 8), {"spatial_dims": 2, "strides": [1, [2, 1], [1, 2]], "pooling": "mask"}),
        ((1, 1, 4, 4, 4), {}),  # the bottleneck is one voxel
        ((2, 1, 8, 8, 8), {"heads": {}}),
        ((2, 1, 8, 8, 8), {"heads": {"findings": 4}, "pooling": "max"}),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_answers_every_task(shape, options, training):
    network = net(**options).train(training)
    with torch.set_grad_enabled(training):
        answers = network(image(*shape))
    heads = options.get("heads", {"sex": 2, "age": 1})
    assert {name: tuple(answer.shape) for name, answer in answers.items()} == {"seg": (shape[0], 3, *shape[2:])} | {
        name: (shape[0], outputs) for name, outputs in heads.items()
    }
    assert all(answer.isfinite().all() for answer in answers.values())


def test_deep_supervision_answers_only_in_training():
    network = net(channels=(4, 6, 8, 8), deep_supervision=2)
    answers = network(image(1, 1, 8, 16, 8))
    assert list(answers) == ["seg", "sex", "age", "seg_1", "seg_2"]
    assert [tuple(answers[f"seg_{level}"].shape) for level in (1, 2)] == [(1, 3, 4, 8, 4), (1, 3, 2, 4, 2)]
    assert list(network.eval()(image(1, 1, 8, 16, 8))) == ["seg", "sex", "age"]


@pytest.mark.parametrize("option", ["dropout", "head_dropout"])
def test_dropout_acts_in_training_only(option):
    x, network = image(1, 1, 8, 8, 8), net(**{"dropout": 0.0, "head_dropout": 0.0} | {option: 0.5})
    first, second = network(x), network(x)
    assert not torch.equal(first["sex"], second["sex"])
    assert torch.equal(first["seg"], second["seg"]) == (option == "head_dropout")
    network.eval()
    assert torch.equal(network(x)["sex"], network(x)["sex"])


def test_pooling_of_known_features():
    features = torch.arange(8.0).reshape(1, 1, 2, 2, 2)
    probabilities = torch.zeros(1, 3, 4, 4, 4)
    probabilities[:, 2, 2:, 2:, 2:] = 1  # exactly the bottleneck's last voxel, which is 7
    probabilities[:, 1, 0, 0, 0] = 1  # an eighth of its first, which is 0
    probabilities[:, 0] = 1 - probabilities.sum(1)

    def pooled(pooling: Pooling, found: torch.Tensor) -> list[float]:
        pool = BottleneckPool(pooling=pooling, in_channels=1, mask_classes=3, reduction=(2, 2, 2)).eval()
        return pool(features, found)[0].tolist()

    assert pooled(Pooling.AVERAGE, probabilities) == [3.5]
    assert pooled(Pooling.MAX, probabilities) == [7]
    # the logarithm of each structure's voxels follows the average
    assert pooled(Pooling.MASK, probabilities) == pytest.approx([7 / 1.125, log(2), log(9)], rel=1e-2)
    nothing = F.one_hot(torch.zeros(1, 4, 4, 4, dtype=torch.long), 3).movedim(-1, 1).float()
    assert pooled(Pooling.MASK, nothing) == pytest.approx([3.5, 0, 0])


def test_volumes_are_standardised_with_what_training_saw():
    standardise = RunningStandardise(1)
    x = torch.tensor([[7.0], [11.0]])
    for _ in range(500):
        standardise(x)
    standardise.eval()
    seen = standardise.state_dict()
    torch.testing.assert_close(standardise(x), torch.tensor([[-1.0], [1.0]]), rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(standardise.state_dict(), seen)


def test_mask_pooling_looks_where_the_network_found_something():
    network, x = net(pooling="mask", heads={"sex": 2}).eval(), image(2, 1, 8, 8, 8)
    with torch.no_grad():
        answers = network(x)
        bottleneck = network.encoder(x)[-1]
        weights = F.avg_pool3d(1 - answers["seg"].softmax(1)[:, :1], 4)
        average = (bottleneck * weights).sum((2, 3, 4)) / weights.sum((2, 3, 4))
        voxels = F.one_hot(answers["seg"].argmax(1), 3).sum((1, 2, 3))[:, 1:]
        pooled = torch.cat([average, voxels.float().log1p()], dim=1)
        torch.testing.assert_close(answers["sex"], network.heads["sex"].linear(pooled), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("pooling", list(Pooling))
def test_a_head_teaches_the_encoder_but_not_the_mask(pooling):
    network = net(pooling=pooling, heads={"sex": 2})
    network(image(1, 1, 8, 8, 8))["sex"][:, 0].sum().backward()
    assert all(
        p.grad is None or not p.grad.any()
        for part in ("decoder", "mask_layers")
        for p in getattr(network, part).parameters()
    )
    assert any(p.grad.any() for p in network.encoder.levels[0].parameters())


STRIDES = st.lists(st.tuples(*[st.integers(1, 2)] * 2), min_size=1, max_size=3)


@given(strides=STRIDES, size=st.tuples(*[st.integers(1, 9)] * 2))
@settings(max_examples=25)
def test_padding_to_the_size_that_the_error_names_works(strides, size):
    network = net(spatial_dims=2, channels=(2,) * (len(strides) + 1), strides=[1, *strides]).eval()
    try:
        network(image(1, 1, *size))
    except ValueError as error:
        given_size, valid = (tuple(int(n) for n in found.split(",")) for found in re.findall(r"\((.*?)\)", str(error)))
        assert given_size == size
        assert all(n <= v < n + r for n, v, r in zip(size, valid, network.reduction, strict=True))
        assert network(image(1, 1, *valid))["seg"].shape[2:] == valid
    else:
        assert all(n % r == 0 for n, r in zip(size, network.reduction, strict=True))


@pytest.mark.parametrize("name", ["seg", "seg_1", "share", "type", "mRS.90"])
def test_names_that_a_head_cannot_have(name):
    with pytest.raises(InputError, match=f"a head cannot be named '{name}'"):
        net(heads={name: 2})


def test_wrong_levels_are_refused():
    with pytest.raises(InputError, match="3 levels and 2 strides"):
        net(strides=[1, 2])
    with pytest.raises(InputError, match="first level's stride must be 1"):
        net(strides=[[1, 1, 2], 2, 2])
    with pytest.raises(InputError, match="at most 1"):
        net(deep_supervision=2)
    with pytest.raises(InputError, match=r"stride \[2, 2\]: give one number, or one for each of the 3 axes"):
        net(strides=[1, [2, 2], 2])
    with pytest.raises(InputError, match=r"stride 3: a level halves an axis \(2\) or leaves it as it is \(1\)"):
        net(strides=[1, 2, [1, 3, 3]])
    with pytest.raises(InputError, match=r"channels: \[4\]: give those of two levels or more"):
        net(channels=(4,))
    with pytest.raises(InputError, match="a network without a mask has no deep supervision"):
        net(mask_classes=1, deep_supervision=1)


def test_a_pooling_that_there_is_not():
    with pytest.raises(InputError, match=r"pooling 'mean': there is no such\. Choose one of average, max, mask"):
        net(pooling="mean")


def test_bfloat16_is_close_to_float32():
    x, network = image(2, 1, 16, 16, 16), net(channels=(8, 16, 32)).eval()
    with torch.no_grad():
        exact = network(x)
        with torch.autocast("cpu", torch.bfloat16):
            fast = network(x)
    assert fast["sex"].dtype == torch.float32
    for name in exact:
        difference = (fast[name].float() - exact[name]).abs().mean() / exact[name].abs().mean()
        assert 0 < difference < 0.03, name


@pytest.mark.parametrize("pooling", ["average", "max", "mask"])
def test_one_sample_does_not_depend_on_the_others(pooling):
    x, network = image(3, 1, 8, 8, 8), net(pooling=pooling, head_dropout=0.0)
    for training in (True, False)[pooling == "mask" :]:  # in training the volumes' mean comes from the batch
        network.train(training)
        together, alone = network(x), network(x[1:2])
        for name in alone:
            torch.testing.assert_close(together[name][1:2], alone[name], rtol=1e-4, atol=1e-5)


def test_names_of_weights_are_stable():
    """Shipped weights are found by these names."""
    assert {name.rsplit(".", 1)[0] for name in net(channels=(4, 6), deep_supervision=0).state_dict()} == {
        *(
            f"encoder.levels.{level}.{part}"
            for level in (0, 1)
            for part in ("conv1.conv", "conv2.conv", "conv3.conv", "norm1", "norm2", "norm3")
        ),
        "decoder.levels.0.transp_conv.conv",
        *(f"decoder.levels.0.conv_block.{part}" for part in ("conv1.conv", "conv2.conv", "norm1", "norm2")),
        "mask_layers.0.conv.conv",
        "pool.volumes",
        "heads.sex.linear",
        "heads.age.linear",
    }


@pytest.mark.parametrize("size", [(4, 8, 8), (2, 8, 8), (4, 4, 4)])
def test_two_voxels_along_the_first_axis_do_not_spoil_the_gradients(size):
    def gradients(*, bfloat16: bool) -> torch.Tensor:
        network = net(channels=(16, 32), heads={}, mask_classes=2)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            network(image(2, 1, *size))["seg"].float().square().mean().backward()
        return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])

    exact, fast = gradients(bfloat16=False), gradients(bfloat16=True)
    assert (fast - exact).norm() < 0.05 * exact.norm()


def kept_and_gradients(**options) -> tuple[int, dict[str, torch.Tensor]]:
    """Bytes that wait for the backward pass, and the gradient of each parameter."""
    network, sizes = net(heads={"sex": 2}, channels=(4, 8, 8), dropout=0.2, **options), []
    torch.manual_seed(3)  # of dropout
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (sizes.append(x.nbytes), x)[1], lambda x: x):
        answers = network(image(1, 1, 16, 16, 16))
    kept = sum(sizes)
    sum(answer.square().mean() for answer in answers.values()).backward()
    return kept, {name: parameter.grad for name, parameter in network.named_parameters()}


def test_gradient_checkpointing_keeps_less_and_learns_the_same():
    (much, expected), (little, found) = kept_and_gradients(), kept_and_gradients(gradient_checkpointing=True)
    assert little < much / 3
    torch.testing.assert_close(found, expected)


def test_gradient_checkpointing_does_not_disturb_maps():
    x, target = image(1, 1, 16, 16, 16), HeadTarget("sex", 1)
    maps = []
    for checkpointing in (False, True):
        network = net(heads={"sex": 2}, gradient_checkpointing=checkpointing)
        with Explainer(network) as explainer:
            maps.append(explainer(x, target).maps)
    torch.testing.assert_close(maps[1], maps[0])

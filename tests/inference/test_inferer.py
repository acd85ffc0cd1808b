import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mtseg.inference import JointInferer
from mtseg.networks import Classifier, JointNet
from mtseg.networks.precision import autocast
from mtseg.networks.tiles import Tiles
from mtseg.tasks import Head, Kind

SIZE = Head("size", Kind.CLASSES, ("small", "large"))
SIGNS = Head("signs", Kind.LABELS, ("bleed", "oedema"))
AGE = Head("age", Kind.NUMBER, mean=50, sd=20)
HEADS = (SIZE, SIGNS, AGE)


class Stub(nn.Module):
    """Purely local mask: channel 0 is the logit of the left structure, channel 1 of the right one.

    The age is the mean of the last channel. Float32 under any autocast. Notes the sizes that it saw.
    """

    def __init__(self, reduction=(1, 1, 1)):
        super().__init__()
        self.reduction = self.smallest = list(reduction)
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        assert all(n % r == 0 for n, r in zip(x.shape[2:], self.reduction, strict=True))
        self.seen.append(tuple(x.shape))
        mean = x.flatten(2).mean(2)[:, -1:]
        seg = torch.stack([torch.zeros_like(x[:, 0]), x[:, 0], x[:, 1]], dim=1)
        return {"seg": seg, "size": torch.cat([-mean, mean], 1), "signs": torch.cat([mean, 2 * mean], 1), "age": mean}


def image(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 2


def joint_net(**options) -> JointNet:
    torch.manual_seed(0)
    heads = {head.name: head.outputs for head in HEADS}
    return JointNet(in_channels=2, mask_classes=3, heads=heads, channels=(4, 6, 8), **options).eval()


def infer(network: nn.Module, x: torch.Tensor, **options) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return JointInferer(HEADS, **options)(x, network)


def assert_same(one: dict, other: dict, **tolerance) -> None:
    assert list(one) == list(other)
    for name in one:
        torch.testing.assert_close(one[name], other[name], msg=lambda text, name=name: f"{name}: {text}", **tolerance)


@pytest.mark.parametrize("tile", [None, (8, 12, 8), (16, 16, 16)])
def test_what_fits_into_a_tile_goes_through_whole(tile):
    network, x = joint_net(), image(2, 2, 8, 12, 8)
    answers = infer(network, x, tile=tile)
    with torch.no_grad(), autocast(x.device):
        logits = network(x)
    expected = {
        "seg": logits["seg"].float().softmax(1),
        "size": logits["size"].softmax(1),
        "signs": logits["signs"].sigmoid(),
        "age": logits["age"] * 20 + 50,
    }
    assert_same(answers, expected, rtol=0, atol=0)
    assert all(answer.dtype == torch.float32 for answer in answers.values())


def test_heads_answer_in_probabilities_and_in_the_columns_unit():
    x = image(1, 2, 4, 4, 4) * 0 + 0.5
    answers = infer(Stub(), x)
    assert answers["age"].item() == pytest.approx(60)
    assert answers["size"][0].tolist() == pytest.approx(torch.tensor([-0.5, 0.5]).softmax(0).tolist())
    assert answers["signs"][0].tolist() == pytest.approx(torch.tensor([0.5, 1.0]).sigmoid().tolist())


@pytest.mark.parametrize(("size", "padded"), [((5, 8, 9), (8, 8, 12)), ((4, 1, 7), (4, 4, 8)), ((6, 5), (8, 8))])
def test_odd_sizes_are_padded_and_cut(size, padded):
    network, x = Stub([4] * len(size)), image(2, 2, *size)
    answers = infer(network, x)
    assert network.seen == [(2, 2, *padded)]
    torch.testing.assert_close(answers["seg"], infer(Stub([1] * len(size)), x)["seg"])


@given(
    size=st.tuples(*[st.integers(1, 13)] * 3),
    tile=st.tuples(*[st.integers(3, 9)] * 3),
    reduction=st.tuples(*[st.sampled_from([1, 2, 4])] * 3),
)
@settings(max_examples=30)
def test_tiles_of_a_local_network_equal_the_whole(size, tile, reduction):
    x, network = image(2, 2, *size), Stub(reduction)
    tiled = infer(network, x, tile=tile)
    torch.testing.assert_close(tiled["seg"], infer(Stub(), x)["seg"], rtol=1e-4, atol=1e-5)
    assert [tiled[head.name].shape for head in HEADS] == [(2, 2), (2, 2), (2, 1)]
    if any(n > t for n, t in zip(size, tile, strict=True)):
        assert len(network.seen) > 2
    assert all(n < t + r for shape in network.seen for n, t, r in zip(shape[2:], tile, reduction, strict=True))


def test_tiles_of_a_batch_do_not_mix():
    x, network = image(3, 2, 12, 8, 8), joint_net()
    together, alone = (infer(network, batch, tile=(8, 8, 8)) for batch in (x, x[1:2]))
    assert_same({name: answer[1:2] for name, answer in together.items()}, alone)


def test_large_images_go_through_in_tiles_even_if_none_is_asked_for(monkeypatch):
    x, whole = image(1, 2, 20, 12, 20), Stub()
    expected = infer(whole, x)["seg"]
    monkeypatch.setattr("mtseg.networks.tiles.LARGEST_WHOLE", 20 * 12 * 20 - 1)
    monkeypatch.setattr("mtseg.networks.tiles.OVERLAP", 4)
    monkeypatch.setattr("mtseg.networks.tiles.STEP", 4)
    network = Stub()
    torch.testing.assert_close(infer(network, x)["seg"], expected)
    assert whole.seen == [(1, 2, 20, 12, 20)] and network.seen == [(1, 2, 12, 12, 20)] * 2


def test_short_axes_are_not_filled_up_with_zeros():
    """An axis shorter than the tile is padded as it is everywhere else, not with what would be a voxel value."""
    x, network = image(1, 2, 20, 4, 8) * 0 + 3, Stub()
    answers = infer(network, x, tile=(8, 8, 8))
    assert answers["age"].item() == pytest.approx(3 * 20 + 50)


def tiles(*, foreground: tuple[float, ...], ages: tuple[float, ...]) -> torch.Tensor:
    """Neighbouring tiles of 4x4x4; their part of foreground voxels and their answers are known."""
    x = torch.full((1, 3, 4 * len(ages), 4, 4), -1e3)
    for i, (part, age) in enumerate(zip(foreground, ages, strict=True)):
        tile = torch.full((64,), -1e3)
        tile[: int(part * 64)] = 1e3
        x[0, 0, 4 * i : 4 * i + 4] = tile.reshape(4, 4, 4)
        x[0, 2, 4 * i : 4 * i + 4] = age
    return x


@pytest.mark.parametrize(
    ("foreground", "ages", "expected"),
    [
        ((0.25, 0.75), (1.0, 2.0), 1.75),
        ((0.0, 0.5, 0.0), (1.0, 3.0, -7.0), 3.0),
        ((0.0, 0.0), (1.0, 2.0), 1.5),
        ((1.0, 1.0, 0.0, 0.5), (1.0, 2.0, 5.0, 4.0), (1 + 2 + 2) / 2.5),
    ],
)
def test_tiles_count_by_the_foreground_found_in_them(foreground, ages, expected, monkeypatch):
    network = Stub()
    monkeypatch.setattr("mtseg.inference.inferer.tiles_of", lambda *_: Tiles([4, 4, 4], [4, 4, 4]))
    answers = infer(network, tiles(foreground=foreground, ages=ages))
    assert len(network.seen) == len(ages)
    assert answers["age"].item() == pytest.approx(expected * 20 + 50, rel=1e-3)
    weights = torch.tensor(foreground) + 1e-6
    p_large = (torch.tensor(ages) * 2).sigmoid()
    assert answers["size"][0, 1].item() == pytest.approx(((p_large * weights).sum() / weights.sum()).item(), rel=1e-3)
    assert answers["size"].sum().item() == pytest.approx(1)


@pytest.mark.parametrize("tile", [None, (4, 8, 8)])
def test_mirroring_averages_both_and_swaps_sides(tile):
    x, network = image(2, 2, 8, 8, 8), joint_net()
    plain, twin = infer(network, x, tile=tile), infer(network, x.flip(2), tile=tile)
    mirrored = infer(network, x, tile=tile, mirror=True, swapped=(0, 2, 1))
    twin["seg"] = twin["seg"].flip(2)[:, [0, 2, 1]]
    assert_same(mirrored, {name: (plain[name] + twin[name]) / 2 for name in plain})
    assert (mirrored["seg"] - plain["seg"]).abs().max() > 0.01
    torch.testing.assert_close(mirrored["seg"].sum(1), torch.ones(2, 8, 8, 8))


def test_mirroring_a_network_that_knows_left_from_right_changes_nothing():
    """Left is what is bright in the first half, right in the second."""

    class Sides(Stub):
        def forward(self, x):
            first = torch.arange(x.shape[2])[:, None, None] < x.shape[2] / 2
            return super().forward(torch.cat([x * first - 1e2 * ~first, x * ~first - 1e2 * first], dim=1))

    x = image(1, 1, 10, 6, 6)
    torch.testing.assert_close(
        infer(Sides(), x, mirror=True, swapped=(0, 2, 1))["seg"], infer(Sides(), x)["seg"], rtol=1e-4, atol=1e-5
    )


def test_mirroring_without_sides_needs_no_table():
    x = image(1, 2, 6, 4, 4)
    assert_same(infer(Stub(), x, mirror=True), infer(Stub(), x, mirror=True, swapped=(0, 1, 2)))


def test_two_dimensions():
    x, network = image(2, 2, 12, 10), joint_net(spatial_dims=2)
    answers = infer(network, x, tile=(8, 8), mirror=True, swapped=(0, 2, 1))
    assert answers["seg"].shape == (2, 3, 12, 10)
    assert answers["age"].shape == (2, 1)


@pytest.mark.parametrize("size", [(20, 45), (1, 64), (70, 30)])
def test_a_picture_smaller_than_the_network_takes_is_padded(size):
    heads = (Head("kind", Kind.CLASSES, ("benign", "malign")),)
    network = Classifier(architecture="alexnet", in_channels=1, heads={"kind": 2}).eval()
    with torch.inference_mode():
        answers = JointInferer(heads)(image(2, 1, *size), network)
    assert answers["seg"].shape == (2, 1, *size)
    torch.testing.assert_close(answers["kind"].sum(1), torch.ones(2))

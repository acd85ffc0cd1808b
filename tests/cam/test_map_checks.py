"""All checks of a subject's map in one call: what they are made on, and with which members."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mtseg.cam import HeadTarget, MaskTarget, SubjectExplainer
from mtseg.cam.checks import check_map, passes
from mtseg.cam.faithfulness import measure_faithfulness, random_attribution

MEASURES = ["deletion_auc", "insertion_auc", "road"]
CURVES = ["deletion", "insertion", "deletion_random", "insertion_random"]


class Small(nn.Module):
    """Two layers, the second half as fine along the second axis; a mask and two classes."""

    reduction = (1, 2)
    smallest = (1, 1)
    target_layer = "coarse"

    def __init__(self):
        super().__init__()
        self.fine = nn.Conv2d(2, 4, 3, padding=1)
        self.coarse = nn.Conv2d(4, 5, 3, stride=(1, 2), padding=1)
        self.mask = nn.Conv2d(4, 2, 1)
        self.cls = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        fine = self.fine(x).tanh()
        return {"seg": self.mask(fine), "cls": self.cls(self.coarse(fine).relu().mean(dim=(2, 3)))}


def network(seed: int = 0) -> Small:
    torch.manual_seed(seed)
    return Small().eval()


def image() -> Tensor:
    return 2 * torch.randn(1, 2, 9, 6, generator=torch.Generator().manual_seed(3))


def infer(images: Tensor, member: nn.Module) -> dict[str, Tensor]:
    return {name: logits.softmax(dim=1) for name, logits in member(images).items()}


def explained(target=None, *, member=None, **options) -> SubjectExplainer:
    explainer = SubjectExplainer(infer, target or HeadTarget("cls", 1), **options)
    explainer(image(), member or network())
    return explainer


@pytest.fixture(scope="module")
def plain():
    explainer = explained()
    return explainer, check_map(explainer, network(), image()[0], seed=5)


def test_the_columns(plain):
    _, found = plain
    assert [*found.row] == [
        *MEASURES,
        *(f"{name}_random" for name in MEASURES),
        "max_sensitivity",
        "randomised_spearman",
    ]
    assert all(isinstance(value, float) for value in found.row.values())
    assert [*found.curves] == ["fraction", *CURVES]
    assert found.row["randomised_spearman"] == found.cascade["spearman"].iloc[-1]
    assert found.cascade["module"].tolist() == ["cls", "mask", "coarse", "fine"]
    assert 0 < found.row["max_sensitivity"] < 1


def test_the_curves_lead_from_the_image_to_its_blur_and_back(plain):
    explainer, found = plain
    first, last = found.curves.iloc[0], found.curves.iloc[-1]
    assert (first["fraction"], last["fraction"]) == (0, 1)
    for suffix in ("", "_random"):
        assert first[f"deletion{suffix}"] == pytest.approx(explainer.score)
        assert last[f"insertion{suffix}"] == pytest.approx(explainer.score)
        assert first[f"insertion{suffix}"] == pytest.approx(last[f"deletion{suffix}"])
        area = np.trapezoid(found.curves[f"deletion{suffix}"], found.curves["fraction"])
        assert found.row[f"deletion_auc{suffix}"] == pytest.approx(area)


def test_the_rival_is_as_coarse_as_the_bottleneck_and_another_by_another_seed(plain):
    explainer, found = plain
    rival = random_attribution((9, 6), coarse=(9, 3), seed=5)
    expected = measure_faithfulness(lambda images: explainer.scores(images, network()), image()[0], rival).row()
    for name, value in expected.items():
        assert found.row[f"{name}_random"] == pytest.approx(value, rel=1e-4, abs=1e-6)
    other = check_map(explainer, network(), image()[0], seed=6)
    assert [other.row[name] for name in MEASURES] == [found.row[name] for name in MEASURES]
    assert other.row["insertion_auc_random"] != found.row["insertion_auc_random"]


def test_of_several_layers_the_first_is_checked(plain):
    one, two = explained(layers=["fine"]), explained(layers=["fine", "coarse"])
    rows = [check_map(explainer, network(), image()[0], seed=0).row for explainer in (one, two)]
    assert rows[0] == pytest.approx(rows[1])
    assert rows[0]["insertion_auc"] != plain[1].row["insertion_auc"]


def test_the_scores_are_those_of_all_members_and_noise_is_the_first_ones():
    other = network(seed=9)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    both, alone = explained(others=[other]), explained()
    member = network()
    found = check_map(both, member, image()[0], seed=0)
    assert found.curves["deletion"].iloc[0] == pytest.approx(both.score)
    assert both.score != pytest.approx(alone.score)
    assert found.row["max_sensitivity"] == check_map(alone, member, image()[0], seed=0).row["max_sensitivity"]
    for kept, expected in ((other, before), (member, network().state_dict())):
        for name, value in kept.state_dict().items():
            assert torch.equal(value, expected[name]), name


def test_a_mask_is_scored_by_its_voxels():
    explainer = explained(MaskTarget(1, where="all"), layers=["fine"])
    found = check_map(explainer, network(), image()[0], seed=0)
    assert found.curves["deletion"].iloc[0] == pytest.approx(explainer.score, rel=1e-5)
    assert explainer.score > 1  # a sum of probabilities


def test_an_empty_map_has_no_sensitivity_and_no_correlation():
    silent = network()
    nn.init.zeros_(silent.cls.weight)
    explainer = explained(member=silent)
    found = check_map(explainer, silent, image()[0], seed=0)
    assert not explainer.cam.any()
    assert np.isnan([found.row["max_sensitivity"], found.row["randomised_spearman"]]).all()
    assert found.row["deletion_auc"] == pytest.approx(explainer.score)
    assert found.row["road"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("method", "each"), [("gradcam", 1), ("scorecam", 1 + 5), ("ablationcam", 1 + 5)])
def test_how_many_passes_the_maps_of_a_check_take(method, each):
    """One for each channel each time, which nobody was told before."""
    member, counted = network(), []
    explainer = explained(method=method)
    expected = passes(explainer, member, image()[0])
    assert expected == each * (1 + 10 + 1 + 4)  # the map, noisy images, the map, randomised modules
    member.register_forward_hook(lambda _, inputs, __: counted.append(len(inputs[0])))
    check_map(explainer, member, image()[0], seed=0)
    scored = 2 * (21 + 21 + 10)  # deletion, insertion and ROAD, also of the random map
    assert sum(counted) == scored + expected

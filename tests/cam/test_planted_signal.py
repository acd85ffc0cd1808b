"""A network that has learnt to find a bright blob must be seen to look at it; one that forgets must not."""

import pandas as pd
import pytest
import torch
from torch import nn

from mtseg.cam import Explainer, HeadTarget
from mtseg.cam.agreement import compare_map
from mtseg.cam.faithfulness import measure_faithfulness, random_attribution
from mtseg.cam.randomisation import cascading_randomisation

EDGE, BLOB = 16, 4


def blobs(n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noise, in class 1 with a bright cube somewhere."""
    x = torch.randn(n, 1, EDGE, EDGE, EDGE, generator=generator)
    y = torch.arange(n) % 2
    where = torch.zeros(n, EDGE, EDGE, EDGE, dtype=torch.bool)
    for i, corner in enumerate(torch.randint(1, EDGE - BLOB, (n, 3), generator=generator).tolist()):
        where[i][tuple(slice(c, c + BLOB) for c in corner)] = True
    x[:, 0] += where * (3.0 * y)[:, None, None, None]
    return x, y, where


@pytest.fixture(scope="module")
def learnt():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv3d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool3d(1),
        nn.Flatten(),
        nn.Linear(16, 2),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(120):
        x, y, _ = blobs(16, generator)
        loss = nn.functional.cross_entropy(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network, blobs(20, generator)


def test_the_network_has_learnt_it(learnt):
    network, (x, y, _) = learnt
    assert (network(x).argmax(dim=1) == y).float().mean() > 0.9


def test_the_map_lies_in_the_blob_and_beats_a_random_one(learnt):
    network, (x, y, where) = learnt
    bright = y == 1
    x, where = x[bright], where[bright]
    with Explainer(network, layers=["3"]) as explain:
        cams = explain(x, HeadTarget(index=1), method="gradcam").maps["3"]

    def score(images):
        return network(images).softmax(dim=1)[:, 1]

    inside = [compare_map(cam.numpy(), mask.numpy()).energy_inside for cam, mask in zip(cams, where, strict=True)]
    assert sum(inside) / len(inside) >= 0.5
    ours, random = [], []
    for i, (image, cam) in enumerate(zip(x, cams, strict=True)):
        rival = random_attribution(cam.shape, coarse=(8, 8, 8), seed=i)
        ours.append(measure_faithfulness(score, image, cam).row())
        random.append(measure_faithfulness(score, image, rival).row())
    ours, random = pd.DataFrame(ours).mean(), pd.DataFrame(random).mean()
    assert ours["insertion_auc"] > random["insertion_auc"] + 0.1
    assert ours["deletion_auc"] < random["deletion_auc"] / 2
    assert ours["road"] > random["road"] + 0.5


def test_random_weights_give_another_map(learnt):
    network, (x, y, _) = learnt
    image = x[y == 1][:1]

    def explain_with(member):
        with Explainer(member, layers=["3"]) as explain:
            return explain(image, HeadTarget(index=1), method="gradcam").maps["3"][0]

    table = cascading_randomisation(network, explain_with)
    assert table["module"].tolist()[-1] == "0"
    assert not table["spearman"].iloc[-1] > 0.5

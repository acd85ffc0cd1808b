"""Going on from weights of the same network: habenula_t1 taught a cohort of one's own."""

import pytest
import torch

from mtseg.bundle import train
from mtseg.errors import InputError

TINY = (
    "network_def={_target_: mtseg.networks.JointNet, in_channels: 1, mask_classes: 3, heads: {}, channels: [4, 8]}",
    "patch_size=[12, 12, 12]",
    "epochs=1",
)


@pytest.fixture(scope="module")
def cohort(phantoms, tmp_path_factory):
    return phantoms(tmp_path_factory.mktemp("cohort"), "habenula_t1")


def test_training_goes_on_from_the_weights_that_are_named(cohort, tmp_path):
    first = train("habenula_t1", cohort=cohort, out=tmp_path / "a", settings=TINY)
    weights = first / "models" / "model.pt"
    still = (*TINY, f"begin_with={weights}", "learning_rate=1e-50")  # far below any weight's rounding
    second = train("habenula_t1", cohort=cohort, out=tmp_path / "b", seed=1, settings=still)
    one, other = (torch.load(run / "models" / "model.pt", weights_only=True) for run in (first, second))
    changed = [name for name in one if not torch.equal(one[name], other[name])]
    assert {name.rpartition(".")[0] for name in changed} <= {"pool.volumes"}  # a running mean, not learnt


def test_weights_of_another_network_are_refused(cohort, tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"other\.pt: does not fit the network"):
        train("habenula_t1", cohort=cohort, out=tmp_path / "a", settings=(*TINY, f"begin_with={tmp_path}/other.pt"))

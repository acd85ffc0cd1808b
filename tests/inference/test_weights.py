import pytest
import torch

from mtseg.errors import InputError
from mtseg.inference import load_weights
from mtseg.networks import JointNet


def network(**heads: int) -> JointNet:
    return JointNet(in_channels=1, mask_classes=2, heads=heads, channels=(4, 6))


def test_float16_weights_fill_a_float32_network(tmp_path):
    source = network(sex=2)
    torch.save({key: value.half() for key, value in source.state_dict().items()}, tmp_path / "model.pt")
    filled = load_weights(network(sex=2), tmp_path / "model.pt").state_dict()
    for key, value in source.state_dict().items():
        torch.testing.assert_close(filled[key], value.half().float(), rtol=0, atol=0)


def test_what_does_not_fit_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(network(age=1).state_dict(), path)
    with pytest.raises(InputError, match=r"model\.pt: does not fit the network"):
        load_weights(network(sex=2), path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="does not fit"):
        load_weights(network(age=1), path)


def test_all_members_that_do_not_fit_are_named(tmp_path):
    nets = {"a": network(sex=2), "b": network(age=1), "c": network(sex=2), "d": network(sex=3)}
    for name, source in nets.items():
        torch.save(source.state_dict(), tmp_path / f"{name}.pt")
    with pytest.raises(InputError) as error:
        load_weights(network(sex=2), [tmp_path / f"{name}.pt" for name in nets])
    lines = str(error.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [str(tmp_path / "b.pt"), str(tmp_path / "d.pt")]
    members = load_weights(network(sex=2), [tmp_path / "a.pt", tmp_path / "c.pt"])
    for member, name in zip(members, "ac", strict=True):
        assert all(torch.equal(v, nets[name].state_dict()[key]) for key, v in member.state_dict().items())

"""What several trainings of a network say together, and how sure they are."""

from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor, nn

from mtseg.keys import Key, Task
from mtseg.networks.labels import voxels_of_structures
from mtseg.statistics import average_members, entropy, mutual_information


class EnsembleInferer(Inferer):
    """Average the answers of an ensemble's members, and add how uncertain they are.

    Args:
        infer: Gives the answers of one member, such as `JointInferer`; mirror images are averaged within it.
    """

    def __init__(self, infer: Inferer):
        self.infer = infer

    def __call__(self, inputs: Tensor, network: nn.Module, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Answer every task for a batch.

        Args:
            inputs: (B, C, ...).
            network: The only member, or an `nn.ModuleList` of them.
            *args: Not used; MONAI's interface.
            **kwargs: Not used; MONAI's interface.

        Returns:
            What `infer` returns, averaged, and besides, on the network's grid: "entropy", (B, 1, ...), nats, that of a
            voxel's averaged probabilities; of several members "disagreement", (B, 1, ...), nats, their mutual
            information. "members" is what each says: of a head (B, M, outputs), of "seg" the voxels of each structure
            in its mask, (B, M, structures).
        """
        members = network if isinstance(network, nn.ModuleList) else [network]
        said: list[dict[str, Tensor]] = []

        def answers_of(member: nn.Module) -> dict[str, Tensor]:
            answers = self.infer(inputs, member)
            said.append(answers | {Task.SEG.value: voxels_of_structures(answers[Task.SEG])})
            return answers | {Key.ENTROPY.value: entropy(answers[Task.SEG], dim=1)}

        found: dict[str, Any] = average_members(map(answers_of, members))
        own, whole = found[Key.ENTROPY], entropy(found[Task.SEG], dim=1)
        found[Key.ENTROPY.value] = whole[:, None]
        if len(members) > 1:
            found[Key.DISAGREEMENT.value] = mutual_information(whole, own)[:, None]
        stacked = {name: torch.stack([answers[name] for answers in said], dim=1) for name in said[0]}
        return found | {Key.MEMBERS.value: stacked}

"""Where an answer came from: class activation maps of any network, and whether to believe them."""

from mtseg.cam.atlas import Atlas, read_atlas
from mtseg.cam.explainer import METHODS, Explainer, Explanation, ensemble, normalise
from mtseg.cam.names import target_named
from mtseg.cam.subject import SubjectExplainer
from mtseg.cam.targets import HeadTarget, MaskTarget, Scale, Target, answer_of
from mtseg.cam.write import WriteExplanations, remove_maps
from mtseg.cam.write_group import check_atlas, write_group

__all__ = [
    "METHODS",
    "Atlas",
    "Explainer",
    "Explanation",
    "HeadTarget",
    "MaskTarget",
    "Scale",
    "SubjectExplainer",
    "Target",
    "WriteExplanations",
    "answer_of",
    "check_atlas",
    "ensemble",
    "normalise",
    "read_atlas",
    "remove_maps",
    "target_named",
    "write_group",
]

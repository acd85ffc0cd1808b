"""The names that several modules must spell alike: dictionary keys, table columns, file names."""

from enum import StrEnum

MISSING = -1
"""Voxel value of a mask that a subject does not have; such a mask adds nothing to the loss."""


MISSING_CELLS = ("", "n/a", "N/A", "nan", "NaN", "NA", "<NA>", "NULL", "null", "#N/A", "#NV", "#NULL!")
"""What BIDS, R, pandas, databases, Excel (also the German one) and SPSS write for a missing cell. Words that can be a
category, such as "none" or "unknown", are not among them."""


MASK_ROUNDING = 0.01
"""How far a mask's voxels may be from whole numbers, as scale factors and float formats leave them."""


MASK_ENTROPY = "mask_entropy"
"""Column of a prediction: how uncertain its mask is."""


SEQUENCES = "sequences"
"""Column of a prediction: the sequences that a subject had."""


SUBSETS_FOLDER = "subsets"
"""Of an evaluation: the same with fewer sequences."""


class Key(StrEnum):
    """Keys of a sample on its way from the table to the loss, and from the network to the files."""

    SUBJECT = "subject"
    IMAGE = "image"
    MASK = "mask"
    TARGETS = "targets"
    PRED = "pred"
    STRUCTURE = "structure"
    SHARE = "share"
    ENTROPY = "entropy"
    DISAGREEMENT = "disagreement"
    MEMBERS = "members"


class Task(StrEnum):
    """Names of outputs in the dictionary that every network returns; heads bring their own."""

    SEG = "seg"
    ATTENTION = "attention"
    """Only of an attention branch network: the map that it looks by."""


def attention_logits(head: str) -> str:
    """Name of the logits that an attention branch gives for a head.

    >>> attention_logits("sex")
    'sex_attention'
    """
    return f"{head}_{Task.ATTENTION}"


class Column(StrEnum):
    """Columns with a fixed meaning in a cohort table or an output table."""

    SUBJECT = "participant_id"
    MASK = "mask"
    FOLD = "fold"
    GROUP = "group"
    SITE = "site"
    FIRST_VOLUME = "first_volume"
    VOLUMES = "volumes"
    SLICE_SAGITTAL = "slice_sagittal"
    SLICE_CORONAL = "slice_coronal"
    SLICE_AXIAL = "slice_axial"


class Volume(StrEnum):
    """Columns of a table of volumes."""

    LEFT = "left_mm3"
    RIGHT = "right_mm3"
    TOTAL = "total_mm3"


class File(StrEnum):
    """Names of the files that a run or a prediction leaves behind."""

    RUN = "run.json"
    HISTORY = "history.tsv"
    TRAINED_ON = "trained_on.tsv"
    LOG = "train.log"
    PREDICTIONS = "predictions.tsv"
    CASES = "cases.tsv"
    SUMMARY = "summary.tsv"
    SIMPLE_SCORES = "simple_scores.tsv"
    SELECTIVE = "selective.tsv"
    REPORT = "report.html"
    SUBSETS = "subsets.tsv"
    EXPLANATIONS = "explanations.tsv"
    EXPLANATIONS_SUMMARY = "explanations_summary.tsv"
    REGIONS = "regions.tsv"
    REGIONS_COMPARED = "regions_compared.tsv"
    CURVES = "faithfulness_curves.tsv"
    RANDOMISATION = "randomisation.tsv"
    INPUTS = "inputs.tsv"
    WEIGHTS = "model.pt"
    TORCHSCRIPT = "model.ts"
    ONNX = "model.onnx"
    DESCRIPTION = "description.tsv"
    ANCOVA = "ancova.tsv"
    ADJUSTED_MEANS = "adjusted_means.tsv"
    PAIRS = "pairs.tsv"
    CHECKS = "checks.tsv"
    CORRELATIONS = "correlations.tsv"
    ASYMMETRY = "asymmetry.tsv"
    EXCLUDED = "excluded.tsv"
    RELIABILITY = "reliability.tsv"
    BLAND_ALTMAN = "bland_altman.tsv"


SCORES = (File.CASES, File.SUMMARY, File.SIMPLE_SCORES, File.SELECTIVE, File.REPORT)
"""Those that an evaluation adds to predictions."""

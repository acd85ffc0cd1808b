"""Names that the study's tables have in common, besides those of any cohort."""

STIMULATED = "stimulated"
"""Column that a network predicts: names of the cells that are stimulated together, a pattern, separated by ';'."""

NOTHING = "none"
"""What stands there where no cell is stimulated or active."""

FRAME = "frame"
"""Column of the pictures."""

CONDITION = "condition"
"""Column that says of which movie a frame is, for example before or after an injection."""

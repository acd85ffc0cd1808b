"""Columns of the tables of slices."""

SLICE = "slice"

CLASS = "class"
"""The class: whatever the user's column is called, because that may be a name that means something else here."""

REPEAT = "repeat"
"""Which of the trainings that differ by chance only."""

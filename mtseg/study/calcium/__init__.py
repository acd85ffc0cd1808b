"""Which cells were stimulated, told from single frames of a calcium-imaging movie, and where that can be seen."""

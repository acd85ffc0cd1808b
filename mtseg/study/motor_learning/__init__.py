"""Who will learn a movement well, told from axial slices of the brain, and in which regions the networks look."""

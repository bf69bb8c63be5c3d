"""Training: the recipe, the steps, the folder of a run and the library of runs."""

"""Setting up a training run: recipe, photos, checks."""

"""The dataset doctor: what is wrong with the data of a recipe, before training on it costs time."""

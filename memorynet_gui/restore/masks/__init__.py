"""Masks on the Restore page: painted, guessed, loaded and kept with their photos."""

"""Many photos at once: what is to be done again, what they are restored with, where results go."""

"""What the memory knows, drawn as plots: samples and slots as a map, and where restoring has moved places."""

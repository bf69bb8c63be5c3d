"""What learns, and how one step changes it: losses, optimizers, what shapes the memory. Touches no disk."""

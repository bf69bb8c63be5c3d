"""Every slot of the memory: what it answers to, how much it is used, whether it is of use, what it is called."""

"""What the Memory page runs on the worker, and the records it asks and is answered with."""

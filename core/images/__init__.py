"""Pictures: reading and writing files, what stands in them, comparing two. No torch."""

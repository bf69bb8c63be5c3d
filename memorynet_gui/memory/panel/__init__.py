"""What stands beside the photo on the Memory page: a place explained, a change built, a slot noted."""

"""What stands beside the photo on the Restore page: what to do, how, and what came of it."""

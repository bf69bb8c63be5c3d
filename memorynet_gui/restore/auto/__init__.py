"""What the photo itself says it needs, and the person instead of it."""

"""The Restore page."""

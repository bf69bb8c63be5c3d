"""The Memory page: look into the memory of a photo, question it, change it and see it answer."""

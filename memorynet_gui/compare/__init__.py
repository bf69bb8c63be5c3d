"""The comparison of a photo before and after: canvas, zoom, layers."""

"""Masks painted over a photo: the mask, the hand that paints it, and the bar with its tools."""

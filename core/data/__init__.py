"""Folders of photos and what training samples are made of them. No torch."""

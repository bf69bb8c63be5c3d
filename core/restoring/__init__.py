"""What a model is used for: restoring a photo, looking into its memory, measuring it on pairs."""

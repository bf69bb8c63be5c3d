"""The network and what belongs to it: its memory, the sample memory, files of models, the device it runs on."""

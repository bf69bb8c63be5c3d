"""The command line, over the same jobs as the window. ``core.cli.program`` puts the commands together."""

"""What stands around the pages: the main window, its bars, its dialogs."""

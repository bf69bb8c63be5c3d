"""What every page of the window stands on: jobs, settings, actions, words for errors. Knows no page."""

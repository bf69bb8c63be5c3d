"""What a click on the Memory page sets going, one desk for each kind of question."""

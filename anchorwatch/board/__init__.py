"""What stands now and what was, for the board and the API."""

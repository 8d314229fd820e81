"""The pages: the live board, and one for each incident, prefix and rule."""

"""What should be true, what is true, and what to say when the two part."""

"""What it takes to run anchorwatch in real places."""

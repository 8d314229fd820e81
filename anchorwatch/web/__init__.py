"""What anchorwatch serves over HTTP."""

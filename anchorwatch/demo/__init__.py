"""The demonstration: a recorded BMP session, played into a real `anchorwatch run`."""

"""Bytes to events: BMP and BGP decoding without I/O, clock or logging."""

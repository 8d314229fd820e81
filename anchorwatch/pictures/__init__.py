"""A timeline as people see it: in the terminal and as SVG."""

"""What is handed on afterwards: a cutover as one page, with the same as JSON."""

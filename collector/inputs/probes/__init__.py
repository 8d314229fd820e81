"""Asks services how they are. One file is one way to ask; all have the same shape.

A way is `ask(address, what, timeout)`: it returns where the answer is good, and raises
`ProbeFailed` with the reason where it is not. `what` is the value of its key in the intent.
"""

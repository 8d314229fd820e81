"""The one way to tell a person that something cannot be done."""


class UserError(Exception):
    """A clear sentence (place and cause) for the terminal; the command ends with status 2."""

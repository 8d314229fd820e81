"""anchorwatch: the watch over a service that moves or is announced from many places."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("anchorwatch")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"

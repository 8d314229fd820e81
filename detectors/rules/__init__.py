"""The detectors. One module is one rule; a new file here is a new detector.

A module of this package holds one class whose `name` is the module's own name. Modules that
begin with an underscore are shared parts, not rules.
"""

from __future__ import annotations

import importlib
import pkgutil

from detectors.base import Rule


def discover() -> list[type[Rule]]:
    """Every rule class of this package, in the order of their names.

    Raises ImportError where a module does not import or holds no rule of its name: a detector
    that is missing in silence is worse than a program that does not start.
    """
    found = []
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{__name__}.{info.name}")
        rules = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and getattr(value, "name", None) == info.name
        ]
        if len(rules) != 1:
            raise ImportError(f"{module.__name__} must hold one class with name = {info.name!r}")
        found.append(rules[0])
    return found

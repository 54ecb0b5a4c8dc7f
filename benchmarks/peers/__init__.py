"""Other tools that do the same work, each behind a small adapter and each optional."""

from __future__ import annotations

from importlib import import_module


def missing(*modules: str) -> str:
    """The first module that cannot be imported, with the reason; empty where all can."""
    for name in modules:
        try:
            import_module(name)
        except Exception as error:  # a broken installation counts as a missing one
            return f"{name} ({error})"
    return ""

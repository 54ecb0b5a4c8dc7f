"""Damaged, wrong and interrupted input: ``python -m fuzz`` (docs/trust.md)."""

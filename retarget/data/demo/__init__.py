"""Demonstration files: layout, reading, writing, checks, likely causes of a mismatch."""

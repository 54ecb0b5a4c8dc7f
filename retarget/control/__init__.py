"""Chunks of a policy -> joint commands within limits, one step at a time."""

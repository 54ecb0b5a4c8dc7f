"""The open hand: a hand in MANO's file format built from published measurements, no MANO data."""

"""There and back: measured, judged, reported."""

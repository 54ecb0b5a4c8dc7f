"""Motion in files: read, checked, converted, generated."""

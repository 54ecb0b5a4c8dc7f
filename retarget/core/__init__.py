"""Values, errors, rotations, files and statistics: what every package stands on."""

"""Robot hand <-> human hand: calibration, the fit, hand networks, `Retargeter`."""

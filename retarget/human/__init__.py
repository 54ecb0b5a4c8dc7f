"""The human hand: model files, skinning, keypoints, and the fit of a posed hand to points."""

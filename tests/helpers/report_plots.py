"""The plots of the HTML report, in their order."""

PLOTS = [
    *("statuses", "fingertips", "wrists", "hand_joints", "residuals", "histogram", "motion"),
    *("arm_left", "arm_right", "hand_left", "hand_right"),
]

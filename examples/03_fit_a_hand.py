"""The fit alone: human hands through a robot's fingertips, within some tenths of a millimetre.

It is a function: a frame gives the same coefficients alone and in a batch. A hand that was not
recorded has a status, and no numbers.
"""

import numpy as np

from retarget import MANOFitter, Status, make_demo

demo, fitter = make_demo(), MANOFitter("h1_inspire")
tips = demo.fingertips.copy()  # (T, 2, 5, 3) in the world frame [m]
tips[100:110, 0] = np.nan  # the left hand, lost for ten frames
human = fitter.fit(tips, demo.T_world_wrist)

fingers = ("thumb", "index", "middle", "ring", "pinky")
for finger, residual in zip(fingers, np.nanmean(human.residual, axis=(0, 1)), strict=True):
    print(f"{finger:6s} {1e3 * residual:.2f} mm from the robot's fingertip")

alone = fitter.fit(tips[42], demo.T_world_wrist[42])
print(f"alone or in a batch: differs by {np.abs(alone.pca - human.pca[42]).max():.1e} rad")
for status in np.unique(human.status):
    print(f"{(human.status == status).sum()} hands are {Status(status).label}")

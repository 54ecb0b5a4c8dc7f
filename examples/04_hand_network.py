"""The way back of a hand: joints of the robot's hand from a human hand's coefficients.

The network alone is within a tenth of a milliradian (mean); one Gauss-Newton step leaves less than
a hundredth of that.
"""

import time

import numpy as np

from retarget import HandMLP, MANOFitter, make_demo

demo, fitter = make_demo(seed=3), MANOFitter("h1_inspire")
mlp = HandMLP.load(fitter=fitter)
human = fitter.fit(demo.fingertips, demo.T_world_wrist)

robot = fitter.robot
active = [robot.indices(side.active_joints) for side in robot.sides]
recorded = np.stack([demo.qpos[:, columns] for columns in active], axis=1)  # (T, 2, 6) [rad]
for refine in (0, 1):
    error = np.abs(mlp.joints(human.pca, refine=refine) - recorded)
    print(f"refine={refine}: off by {1e6 * error.mean():.2f} urad (mean)")

start = time.perf_counter()
for pca in human.pca:
    mlp.joints(pca)
print(f"{1e6 * (time.perf_counter() - start) / demo.frames:.0f} us a call, both hands")

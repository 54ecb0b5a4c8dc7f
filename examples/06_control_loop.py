"""A policy's chunks become joint commands within all limits, whatever the policy says.

It falls silent for two and a half seconds: the robot plays what it knows, holds, says why, and
returns when the policy is back. No joint ever breaks its velocity limit.
"""

import numpy as np

from retarget import Controller, Retargeter, make_demo
from retarget.actions import action_from_motion, make_chunks, pack

demo, rt = make_demo(), Retargeter("h1_inspire")
camera = rt.robot.camera("main")
policy = pack(make_chunks(action_from_motion(rt.to_human(demo), camera.T_camera_world), 30))

controller = Controller(rt, rate=30.0, camera="main", hand_velocity=3.0)
qpos, path, before = demo.qpos[0], [demo.qpos[0]], None
for t, said in enumerate(policy):
    silent = 100 <= t < 175
    command = controller.step(None if silent else said, qpos)
    qpos = command.qpos  # send it to the robot; this one does what it is told
    path.append(qpos)
    if command.phase != before:
        why = f", {command.hold.reason}" if command.hold else ""
        print(f"step {t:3d}: {command.phase.label}{why}")
        before = command.phase

velocity = np.abs(np.diff(path, axis=0)) * 30.0  # [rad/s]
print(f"fastest joint at {100 * (velocity / controller.limits.velocity).max():.1f} % of its limit")
print(f"at the end {1e3 * np.max(command.lag_m):.6f} mm behind the policy")

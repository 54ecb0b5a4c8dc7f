"""Actions normalised for training, written, read back and undone, with nothing lost or done twice.

The file carries the rule, so that whoever reads it can undo it; numbers that are normalised already
are refused.
"""

import tempfile
from pathlib import Path

import numpy as np

from retarget import (
    Normalization,
    Retargeter,
    RetargetError,
    load_actions,
    make_demo,
    save_actions,
)
from retarget.actions import action_from_motion
from retarget.data.action_file import ActionFileInfo

demo, rt = make_demo(), Retargeter("h1_inspire")
action = action_from_motion(rt.to_human(demo))
rule = Normalization.from_data(action, "mean_std", fields=("pca", "translation"))
given = rule.apply(action)
print(f"coefficients: mean {given.pca.mean():.3f}, standard deviation {given.pca.std():.3f}")

path = Path(tempfile.mkdtemp()) / "actions.hdf5"
hand = rt.fitter.hand_hash  # which hand model the coefficients are of
save_actions(path, given, ActionFileInfo(rate=demo.rate, hand=hand, normalization=rule))
read, info = load_actions(path)
back = info.normalization.undo(read)
print(f"read back: differs by {np.abs(back.pca - action.pca).max():.1e} rad")

try:
    rule.apply(read)
except RetargetError as refused:
    print(f"twice is refused: {refused}")

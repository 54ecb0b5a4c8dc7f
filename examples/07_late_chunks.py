"""Chunks of a policy overlap, tremble and come late: their mean is calmer than the newest one.

Every chunk is off by some millimetres and comes 0 to 4 steps late. A chunk counts for the steps it
was meant for, however late it comes.
"""

import numpy as np

from retarget import Action, ChunkEnsembler, Retargeter, make_demo
from retarget.actions import action_from_motion, make_chunks

truth = action_from_motion(Retargeter("h1_inspire").to_human(make_demo()))
exact, rng = make_chunks(truth, 30), np.random.default_rng(0)
off = rng.normal(0.0, 4e-3, (len(exact), 1, 2, 3))  # [m], all rows of a chunk alike
chunks = Action(exact.translation + off, exact.pca, exact.rotation, exact.status)
arrives = np.arange(len(chunks)) + rng.integers(0, 5, len(chunks))

ensembler, mean, newest = ChunkEnsembler(horizon=30), [], []
for t in range(5, len(chunks) - 1):
    for k in np.flatnonzero(arrives == t):
        ensembler.push(chunks[k], step=k + 1)  # made at k: its first row is for k + 1
    last = np.flatnonzero(arrives <= t)[-1]
    newest.append(chunks.translation[last, t - last])
    mean.append(ensembler.at(t + 1).translation)

wanted = truth.translation[6:]
for name, path in (("newest chunk", newest), ("mean", mean)):
    error = 1e3 * np.sqrt(np.mean((np.array(path) - wanted) ** 2))
    jitter = 1e3 * np.sqrt(np.mean(np.diff(path, 2, axis=0) ** 2))
    print(f"{name}: error {error:.2f} mm, jitter {jitter:.2f} mm")
print(f"chunks that came after a newer one: {ensembler.counts.late}")

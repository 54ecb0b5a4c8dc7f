"""The published fit of fingertips to MANO, through smplx and the whole 778-vertex mesh.

After the facts of EgoVLA's public code: 500 steps of Adam, learning rate 0.1, SmoothL1 (beta 1 m)
averaged over wrist, fingertips and the whole batch, start ``0.1 rand``, fingertips shrunk by 1.5.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from retarget.core.types import FloatArray
from retarget.human.keypoints import TIP_VERTICES

SCALE = 1.5
STEPS = 500
BATCH = 300
_LEARNING_RATE = 0.1
_GENERATOR = Path(__file__).resolve().parents[2] / "mano_models" / "generate_open_hand.py"


def write_hands(folder: Path) -> None:
    """Write the open hands as pickles that smplx reads."""
    command = [sys.executable, str(_GENERATOR), "--out", str(folder), "--pkl", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


class Recipe:
    """The recipe for one hand.

    Args:
        folder: of MANO_RIGHT.pkl and MANO_LEFT.pkl.
        right: which hand.
        components: how many of the 15 coefficients are optimised, the others stay 0.
    """

    def __init__(self, folder: Path, *, right: bool, components: int) -> None:
        import smplx
        import torch

        self._torch = torch
        path = folder / f"MANO_{'RIGHT' if right else 'LEFT'}.pkl"
        with contextlib.redirect_stdout(io.StringIO()):  # smplx prints what it misses
            self._hand = smplx.MANO(str(path), is_rhand=right, use_pca=True, num_pca_comps=15)
        self._tips = list(TIP_VERTICES.values())
        self.components = components
        self.threads = self._best_threads()
        self.seconds: list[float] = []

    def fit(self, target: FloatArray, seed: int = 0) -> tuple[FloatArray, FloatArray]:
        """Fit one batch; the time it takes is added to `seconds`.

        Args:
            target: (N, 5, 3) fingertips in the hand model's frame [m].
            seed: of the random start.

        Returns:
            Coefficients (N, 15) [rad] and fingertips (N, 5, 3) [m].
        """
        self._torch.set_num_threads(self.threads)
        began = time.perf_counter()
        whole = self._descend(target, seed, STEPS)
        self.seconds.append(time.perf_counter() - began)
        torch, frames = self._torch, len(whole)
        with torch.no_grad():
            found = self._points(whole, torch.zeros(frames, 3), torch.zeros(frames, 10))[:, 1:]
        return whole.numpy().astype(np.float64), found.numpy().astype(np.float64)

    def _best_threads(self) -> int:
        """All cores, or one where that is faster: on a busy machine threads wait for each other."""
        speed = {}
        for threads in (os.cpu_count() or 1, 1):
            self._torch.set_num_threads(threads)
            target = np.zeros((BATCH, 5, 3))
            self._descend(target, 0, 3)
            began = time.perf_counter()
            self._descend(target, 0, 20)
            speed[threads] = time.perf_counter() - began
        return min(speed, key=lambda threads: speed[threads])

    def _descend(self, target: FloatArray, seed: int, steps: int):  # type: ignore[no-untyped-def]
        """The coefficients (N, 15) after some steps of Adam."""
        torch = self._torch
        frames = len(target)
        dice = torch.Generator().manual_seed(seed)
        zeros = torch.zeros(frames, 3)
        rest = torch.zeros(frames, 15 - self.components)
        betas = torch.zeros(frames, 10)
        tips = torch.as_tensor(target, dtype=torch.float32)
        with torch.no_grad():
            wrist = self._points(torch.zeros(1, 15), zeros[:1], betas[:1])[:, :1]
        goal = torch.cat([wrist.expand(frames, 1, 3), tips], dim=1)
        c = (0.1 * torch.rand(frames, self.components, generator=dice)).requires_grad_()
        adam = torch.optim.Adam([c], lr=_LEARNING_RATE)
        for _ in range(steps):
            adam.zero_grad()
            points = self._points(torch.cat([c, rest], dim=1), zeros, betas)
            torch.nn.functional.smooth_l1_loss(points, goal).backward()
            adam.step()
        return torch.cat([c, rest], dim=1).detach()

    def _points(self, c, zeros, betas):  # type: ignore[no-untyped-def]
        """Wrist and five fingertips out of a forward pass of the whole hand."""
        out = self._hand(betas=betas, global_orient=zeros, hand_pose=c, transl=zeros)
        return self._torch.cat([out.joints[:, :1], out.vertices[:, self._tips]], dim=1)

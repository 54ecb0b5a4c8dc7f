"""HandMLP: fingertips of predicted human hands -> active joints of the robot's hands.

One small network a hand (15-64-128-64-m, SiLU, for m active joints), both hands in one call of the
native core; an optional Gauss-Newton step through one more fit removes what the network leaves.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from retarget.core.checks import numbers
from retarget.core.errors import InputError, ModelError
from retarget.core.files import write_bytes
from retarget.core.reading import require_file
from retarget.core.resources import resource
from retarget.core.types import FloatArray
from retarget.mapping.fitter import MANOFitter, fitter_for
from retarget.mapping.network import Network
from retarget.robot.robot import Robot

FORMAT = "retarget-hand-mlp-2"
_MOST_BYTES = 2**28
_SCALING = ("center", "spread", "lower", "upper")
# noise on the human fingertips larger than this says nothing about the robot's pose [m]
_DAMPING = 1e-4


class HandMLP:
    """Maps predicted human hands to the robot's active hand joints, within their limits.

    `retarget.mapping.train.train_hands` trains one, `retarget.mapping.hand_accuracy.check_hands`
    measures how exactly it brings fingertips back.

    Args:
        network: weights and scaling of both hands.
        fitter: the fit the network was trained on; gives hands, robot and calibration.
        errors: accuracy measured after training, by name [m].
    """

    def __init__(
        self, network: Network, fitter: MANOFitter, errors: dict[str, float] | None = None
    ) -> None:
        self.network = network
        self.fitter = fitter
        self.errors = dict(errors or {})

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        robot: Robot | str | Path | None = None,
        fitter: MANOFitter | None = None,
    ) -> HandMLP:
        """Read a checkpoint.

        Args:
            path: the file; None is the one shipped for the fitter's robot and hands.
            robot: a `Robot`, or the name or folder of one; h1_inspire by default.
            fitter: the fit it was trained on; by default the robot's with the open hand.

        Raises:
            InputError: the fitter is for another robot.
            ModelError: the file is unreadable, or was trained for another hand model, robot hand,
                calibration or number of components; the message names both.
        """
        fitter = fitter_for(robot, fitter)
        place = shipped_path(fitter) if path is None else Path(path)
        if not os.path.lexists(place):
            hint = "train one with `retarget train-hand`"
            raise ModelError(place, f"no hand network for hand model {fitter.hand_hash}; {hint}")
        if require_file(place, "a safetensors file", ModelError) > _MOST_BYTES:
            raise ModelError(place, f"has more than {_MOST_BYTES} bytes, expected a hand network")
        try:
            with safe_open(place, framework="numpy") as file:
                metadata: dict[str, Any] = file.metadata() or {}
                arrays = {key: file.get_tensor(key).astype(np.float64) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(place, f"not a readable safetensors file ({error})") from error
        for key, wanted in _provenance(fitter).items():
            if metadata.get(key) != wanted:
                raise ModelError(
                    place,
                    f"trained for another {key}: {metadata.get(key, 'nothing')}, here {wanted}",
                    key=key,
                )
        layers = range(sum(key.startswith("weight") for key in arrays))
        try:
            network = Network(
                weights=[arrays[f"weight{k}"] for k in layers],
                biases=[arrays[f"bias{k}"] for k in layers],
                **{name: arrays[name] for name in _SCALING},
            )
        except KeyError as error:
            raise ModelError(place, f"tensor {error} is missing") from error
        except InputError as error:
            raise ModelError(place, f"holds no hand network: {error}") from error
        return cls(network, fitter, _read_errors(place, metadata.get("errors", "{}")))

    def save(self, path: str | Path) -> None:
        """Write a safetensors checkpoint with all that it depends on in its metadata.

        It is written whole or not at all; weights in float32, as they were trained.

        Raises:
            FileError: the file cannot be written.
        """
        arrays = {name: getattr(self.network, name)[:, None] for name in _SCALING}
        for layer, (weight, bias) in enumerate(
            zip(self.network.weights, self.network.biases, strict=True)
        ):
            arrays[f"weight{layer}"] = weight.astype(np.float32)
            arrays[f"bias{layer}"] = bias[:, None].astype(np.float32)
        errors = json.dumps(self.errors, sort_keys=True)
        metadata = {**_provenance(self.fitter), "errors": errors}
        content = save({key: np.ascontiguousarray(a) for key, a in arrays.items()}, metadata)
        write_bytes(path, content)

    def joints(self, pca: ArrayLike, *, refine: int = 0) -> FloatArray:
        """Active joints for pose coefficients.

        Args:
            pca: (..., 2, K) coefficients of both hands [rad].
            refine: number of Gauss-Newton steps through the fit (1 is enough).

        Returns:
            (..., 2, m) active joints [rad], within the limits; NaN where the input is NaN.

        Raises:
            InputError: wrong shape, nothing in it, or a negative `refine`.
        """
        c = numbers(pca, "pca")
        if c.ndim < 2 or c.shape[-2] != 2 or c.size == 0:
            raise InputError(f"pca must have shape (..., 2, K), not empty, got {c.shape}")
        return self.joints_from_fingertips(self.fitter.fingertips(c), refine=refine)

    def joints_from_fingertips(self, fingertips: ArrayLike, *, refine: int = 0) -> FloatArray:
        """Active joints for human fingertips (..., 2, 5, 3) in the hand model's frame [m].

        Returns:
            (..., 2, m) active joints [rad], within the limits; NaN where the input is NaN.

        Raises:
            InputError: wrong shape or type, nothing in it, or a negative `refine`.
        """
        tips = numbers(fingertips, "fingertips")
        shape = tips.shape
        if shape[-3:] != (2, 5, 3) or tips.size == 0:
            raise InputError(f"fingertips must have shape (..., 2, 5, 3), not empty, got {shape}")
        if refine < 0:
            raise InputError(f"refine must not be negative, got {refine}")
        lead = shape[:-3]
        flat = tips.reshape(*lead, 2, 15)
        q = self.network(flat)
        if refine == 0:
            return q
        q, flat = q.reshape(-1, *q.shape[-2:]), flat.reshape(-1, 2, 15)
        for _ in range(refine):
            q = self._refined(q, flat)
        return q.reshape(*lead, *q.shape[-2:])

    def _refined(self, q: FloatArray, wanted: FloatArray) -> FloatArray:
        """One Gauss-Newton step on ``wanted - fit(robot tips of q)``, both hands (N, 2, ...).

        The fit of the robot's own tips, not the tips themselves, is compared with what is wanted:
        the network was asked for the fit, whose residual must not be chased.
        """
        robot, frames = self.fitter.robot, self.fitter.frames
        out = np.full_like(q, np.nan)
        known = np.isfinite(np.concatenate([q, wanted], axis=-1)).all(axis=-1)
        for side, frame in enumerate(frames):
            rows = known[:, side]
            if not rows.any():
                continue
            joints = q[rows, side]
            tips = frame.human_from_robot(robot.hand_tips(side, joints))
            pca = self.fitter.fit_hand(side, tips).pca
            miss = wanted[rows, side] - self.fitter.tips_of(side, pca).reshape(-1, 15)
            J = robot.hand_tips_jacobian(side, joints)
            J = np.einsum("ij,nfjk->nfik", frame.linear, J).reshape(-1, 15, joints.shape[-1])
            H = np.swapaxes(J, -1, -2) @ J + _DAMPING**2 * np.eye(J.shape[-1])
            step = np.linalg.solve(H, np.swapaxes(J, -1, -2) @ miss[..., None])[..., 0]
            out[rows, side] = joints + step
        return np.asarray(np.clip(out, self.network.lower, self.network.upper))


def shipped_path(fitter: MANOFitter) -> Path:
    """Where a robot's weights for one hand model are: its own folder, else the library's."""
    name = f"hand_mlp_{fitter.hand_hash}.safetensors"
    own, kept = fitter.robot.path / name, resource("robots", fitter.robot.name, name)
    return kept if kept.is_file() and not own.is_file() else own


def _read_errors(path: Path, text: str) -> dict[str, float]:
    """Errors of training, by name, from a checkpoint's metadata."""
    try:
        table = json.loads(text)
        return {str(name): float(value) for name, value in table.items()}
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        said = "metadata 'errors' is not a JSON table of numbers"
        raise ModelError(path, f"{said}: {error}", key="errors") from error


def _provenance(fitter: MANOFitter) -> dict[str, str]:
    """What a network's inputs and outputs mean, which a fit must share to use it."""
    calibration = [
        {
            "scale": round(c.scale, 9),
            "rotation": np.round(c.rotation, 9).tolist(),
            "translation": np.round(c.translation, 9).tolist(),
        }
        for c in fitter.calibrations
    ]
    return {
        "format": FORMAT,
        "hand": fitter.hand_hash,
        "robot_hand": fitter.robot.hand_hash,
        "components": str(fitter.components),
        "calibration": json.dumps(calibration),
    }

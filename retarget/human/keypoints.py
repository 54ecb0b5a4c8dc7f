"""The keypoint layer: 21 keypoints, fingertips and any vertices of a hand, in numpy or torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from retarget.core.arrays import Array
from retarget.core.errors import InputError
from retarget.core.frozen import FrozenDict, Remade
from retarget.core.geometry import lengths
from retarget.core.types import FINGERS, FloatArray
from retarget.human import skinning
from retarget.human import skinning_derivatives as derivatives
from retarget.human.hand_model import HandModel
from retarget.human.mano_format import JOINTS, POSE

# the vertices that EgoVLA takes for fingertips; other libraries use neighbours of these
TIP_VERTICES: Mapping[str, int] = FrozenDict(
    {"thumb": 744, "index": 320, "middle": 443, "ring": 554, "pinky": 671}
)
# joints 0..15 of the model, then the five tips as 16..20, thumb to pinky
KEYPOINT_ORDER = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
KEYPOINT_NAMES = (
    "wrist",
    *(f"thumb_{joint}" for joint in ("cmc", "mcp", "ip", "tip")),
    *(f"{finger}_{joint}" for finger in FINGERS[1:] for joint in ("mcp", "pip", "dip", "tip")),
)

KEYPOINT_COUNT = len(KEYPOINT_NAMES)
KEYPOINT_TIPS = tuple(KEYPOINT_NAMES.index(f"{finger}_tip") for finger in FINGERS)


class HandKeypoints(Remade):
    """Exact linear blend skinning of a hand, restricted to the points asked for.

    The same code runs on numpy and torch; with torch every result is differentiable. Poses are
    rotation vectors of joints 1..15 [rad]; points are in the model's frame [m]. The meaning of the
    parameters is smplx.MANO's, with two differences: any number of components from 1 to 45 is a
    number of components (smplx reads 45 coefficients as a rotation-vector pose), and rotations are
    exact at zero (smplx shifts its angles by 1e-8).

    Args:
        model: the hand.
        vertices: the vertices that `points` returns; five of them serve as fingertips.
        joints: the joints that `points` returns.
        backend: "numpy" or "torch".
        dtype: of the backend; float64 by default.
        device: where torch computes.

    Raises:
        InputError: the backend is unknown, or the model has no such vertex or joint.
    """

    def __init__(
        self,
        model: HandModel,
        vertices: Sequence[int] = tuple(TIP_VERTICES.values()),
        joints: Sequence[int] = range(JOINTS),
        backend: str = "numpy",
        dtype: Any = None,
        device: Any = None,
    ) -> None:
        self.model = model
        self.vertices = _indices("vertices", vertices, len(model.template))
        self.joints = _indices("joints", joints, JOINTS)
        self.backend = backend
        self.namespace, self._dtype, self._device = _namespace(backend), dtype, device
        if dtype is None:
            self._dtype = self.namespace.float64
        self._chosen = self._constants(self.vertices, self.joints)
        # the fingertips alone need neither the joints nor the fingers' other points
        self._tips = self._constants(self.vertices, ())
        self._mesh: skinning.Constants | None = None
        self._components = self.array(model.components)
        self._mean = self.array(model.mean)

    def pose(self, pca: Array, *, use_mean: bool = True) -> Array:
        """Pose (..., 45) [rad] of coefficients (..., K), K from 1 to 45.

        ``use_mean=False`` is smplx's ``flat_hand_mean=True``.
        """
        coefficients = self.array(pca)
        count = coefficients.shape[-1] if coefficients.ndim else 0
        if not 1 <= count <= POSE:
            shape = tuple(coefficients.shape)
            raise InputError(f"pca must have shape (..., K), K from 1 to {POSE}, got {shape}")
        flat = coefficients @ self._components[:count]
        return flat + self._mean if use_mean else flat

    def points(
        self,
        pose: Array,
        *,
        betas: Array | None = None,
        orient: Array | None = None,
        translation: Array | None = None,
    ) -> Array:
        """The chosen joints, then the chosen vertices, (..., P, 3) [m].

        Args:
            pose: (..., 45) full pose [rad], the mean included.
            betas: (..., S') shape coefficients, zero by default.
            orient: (..., 3) rotation vector [rad] of the whole hand about its root joint.
            translation: (..., 3) offset [m], added last.

        Raises:
            InputError: a last axis has the wrong length.
        """
        return self._place(self._chosen, pose, betas, orient, translation)

    def keypoints(
        self,
        pca: Array | None = None,
        *,
        pose: Array | None = None,
        use_mean: bool = True,
        betas: Array | None = None,
        orient: Array | None = None,
        translation: Array | None = None,
    ) -> Array:
        """The 21 keypoints in the order of `KEYPOINT_NAMES`, (..., 21, 3) [m].

        Args:
            pca: (..., K) pose coefficients, or
            pose: (..., 45) full pose [rad], taken as it is whatever `use_mean` says.
            use_mean: whether the mean pose is added to the coefficients' pose.
            betas: as in `points`.
            orient: as in `points`.
            translation: as in `points`.

        Raises:
            InputError: not exactly one of `pca` and `pose` is given, a last axis has the wrong
                length, or the layer was built for other joints or another number of tips.
        """
        if (pca is None) == (pose is None):
            raise InputError("keypoints() takes either pca or pose")
        if self.joints != tuple(range(JOINTS)) or len(self.vertices) != len(FINGERS):
            raise InputError("keypoints() needs a layer of all 16 joints and five tip vertices")
        full = self.pose(pca, use_mean=use_mean) if pose is None else pose
        points = self._place(self._chosen, full, betas, orient, translation)
        return points[..., list(KEYPOINT_ORDER), :]

    def fingertips(self, pca: Array) -> Array:
        """Fingertips (..., 5, 3) [m], thumb to pinky, of the mean pose plus coefficients (..., K).

        Shape, orientation and translation are zero.

        Raises:
            InputError: the layer was not built for five tip vertices, or K is not 1 to 45.
        """
        self._check_tips()
        return skinning.posed_points(self.namespace, self._tips, self.pose(pca))

    def fingertips_and_jacobian(self, pca: Array) -> tuple[Array, Array]:
        """Fingertips (..., 5, 3) [m] and their derivatives (..., 5, 3, K) [m/unit].

        The derivatives are exact, the pose blend shapes included.

        Raises:
            InputError: the layer was not built for five tip vertices, or K is not 1 to 45.
        """
        self._check_tips()
        pose, basis = self.pose(pca), self._components[: np.shape(pca)[-1]]
        points, jacobian, _ = derivatives.points_and_jacobian(
            self.namespace, self._tips, pose, basis
        )
        return points, jacobian

    def second_order(
        self, pca: Array, pull: Callable[[Array], Array]
    ) -> tuple[Array, Array, Array]:
        """Fingertips, their derivatives, and their second derivatives contracted with a pull.

        Args:
            pca: (..., K) coefficients.
            pull: fingertips (..., 5, 3) [m] -> vectors (..., 5, 3), e.g. weighted residuals.

        Returns:
            (..., 5, 3), (..., 5, 3, K) and ``sum pull . d2 tips / dc dc'`` (..., K, K); the last
            leaves out the second derivative of the pose blend shapes.
        """
        self._check_tips()
        pose, basis = self.pose(pca), self._components[: np.shape(pca)[-1]]
        points, jacobian, motion = derivatives.points_and_jacobian(
            self.namespace, self._tips, pose, basis
        )
        bent = derivatives.curvature(self.namespace, self._tips, motion, basis, pull(points))
        return points, jacobian, bent

    def mesh(
        self,
        pose: Array,
        *,
        betas: Array | None = None,
        orient: Array | None = None,
        translation: Array | None = None,
    ) -> Array:
        """All vertices (..., V, 3) [m]; the arguments are those of `points`."""
        if self._mesh is None:
            self._mesh = self._constants(range(len(self.model.template)), ())
        return self._place(self._mesh, pose, betas, orient, translation)

    def _place(
        self,
        constants: skinning.Constants,
        pose: Array,
        betas: Array | None,
        orient: Array | None,
        translation: Array | None,
    ) -> Array:
        full = self._last_axis("pose", pose, POSE)
        shape = None if betas is None else self.array(betas)
        most = self.model.shapedirs.shape[2]
        if shape is not None and (shape.ndim == 0 or shape.shape[-1] > most):
            raise InputError(
                f"betas must have shape (..., S), S <= {most}, got {tuple(shape.shape)}"
            )
        points = skinning.posed_points(self.namespace, constants, full, shape)
        if orient is not None:
            turn = skinning.rotation_minus_identity(
                self.namespace, self._last_axis("orient", orient, 3)
            )
            root = skinning.rest_joints(constants, shape)[..., :1, :]
            points = points + (points - root) @ turn.swapaxes(-1, -2)
        if translation is not None:
            points = points + self._last_axis("translation", translation, 3)[..., None, :]
        return points

    def _check_tips(self) -> None:
        if len(self.vertices) != len(FINGERS):
            raise InputError(f"fingertips need five tip vertices, not {len(self.vertices)}")

    def _last_axis(self, name: str, values: Array, size: int) -> Array:
        array = self.array(values)
        if array.ndim == 0 or array.shape[-1] != size:
            raise InputError(f"{name} must have shape (..., {size}), got {tuple(array.shape)}")
        return array

    def _constants(self, vertices: Sequence[int], joints: Sequence[int]) -> skinning.Constants:
        return skinning.constants(self.model, vertices, joints, self.array, self._index)

    def array(self, values: Any) -> Array:
        """Values as an array of the layer's backend, dtype and device."""
        if self.backend == "numpy":
            return np.asarray(values, dtype=self._dtype)
        if isinstance(values, np.ndarray) and not values.flags.writeable:
            values = values.copy()  # torch shares memory, and warns about what it cannot write
        return self.namespace.as_tensor(values, dtype=self._dtype, device=self._device)

    def _index(self, values: Any) -> Array:
        if self.backend == "numpy":
            return values
        return self.namespace.as_tensor(values, device=self._device)


def _namespace(backend: str) -> Any:
    if backend == "numpy":
        return np
    if backend == "torch":
        import torch

        return torch
    raise InputError(f"backend must be numpy or torch, got {backend!r}")


def _indices(name: str, values: Sequence[int], size: int) -> tuple[int, ...]:
    indices = tuple(int(value) for value in values)
    if any(not 0 <= index < size for index in indices):
        raise InputError(f"{name} must lie in 0..{size - 1}, got {indices}")
    return indices


def tip_gaps(tips: FloatArray) -> FloatArray:
    """Distances (..., 4) of fingertips (..., 5, 3), index to pinky, from the thumb's [m]."""
    return lengths(tips[..., 1:, :] - tips[..., :1, :])

"""MANO parameters as others give them, with what their numbers mean said beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from retarget.core.errors import InputError
from retarget.core.geometry import rotvec_from_rotation, transform
from retarget.core.types import SIDES, FloatArray
from retarget.core.values import ArrayValue
from retarget.human.hand_model import MIRROR, HandModel
from retarget.human.keypoints import HandKeypoints
from retarget.human.mano_format import POSE

HANDS = len(SIDES)
FINGER_JOINTS = POSE // 3


@dataclass(frozen=True, eq=False)
class ForeignMano(ArrayValue):
    """Both hands over T frames in the parameters of another hand model than this library's own.

    The numbers have their meaning with the hand model of whoever made them, most often the licensed
    MANO; with another model they are the nearest there is. NaN where a hand is missing.

    Attributes:
        rotations: (T, 2, 15, 3, 3) rotations of joints 1..15 in MANO's order, or None.
        pca: (T, 2, K) pose coefficients, or None; exactly one of the two is there.
        flat_mean: the parameters are the whole pose; else the model's mean pose is added to them,
            as rotation vectors.
        rotation: (T, 2, 3, 3) orientation of the hand's root, in the recording's frame.
        translation: (T, 2, 3) see `root_offset` [m].
        root_offset: (T, 3, 3) or None. The root joint lies at ``translation + root_offset @ J0``,
            J0 being the model's root joint at the shape `betas`. None where the translation is the
            root joint itself; the identity for smplx's ``transl``, in the frame of the file.
        betas: (T, 2, 10) shape coefficients, or None.
        of_right: both hands are of the right hand's model, the left one in the mirror.
        unmended_left: the left hand's betas are of the model as MANO first came, with x of the left
            shape directions negated (vchoutas/smplx issue 48).
    """

    flat_mean: bool
    rotation: FloatArray
    translation: FloatArray
    rotations: FloatArray | None = None
    pca: FloatArray | None = None
    root_offset: FloatArray | None = None
    betas: FloatArray | None = None
    of_right: bool = False
    unmended_left: bool = False

    def __post_init__(self) -> None:
        """Check that there is one pose.

        Raises:
            InputError: there is none, or there are two.
        """
        if (self.rotations is None) == (self.pca is None):
            raise InputError("a ForeignMano has either rotations or pca")

    def models(self, hands: tuple[HandModel, HandModel]) -> tuple[HandModel, HandModel]:
        """The models that the numbers are of, made of those of the left and the right hand."""
        left, right = hands
        if self.of_right:
            return right.mirrored(), right
        if self.unmended_left:
            return replace(left, shapedirs=left.shapedirs * MIRROR[:, None]), right
        return left, right

    def coefficients(
        self, hands: tuple[HandModel, HandModel], components: int
    ) -> tuple[FloatArray, FloatArray]:
        """The poses in coefficients of some models, for those whose numbers they are.

        Returns:
            (T, 2, K) the first K of them, and (T, 2) the largest rotation vector's entry that those
            do not keep [rad]; NaN of missing hands.
        """
        off = self.pose(hands) - np.stack([hand.mean for hand in hands])
        inverse = np.stack([np.linalg.inv(hand.components)[:, :components] for hand in hands])
        kept = np.stack([hand.components[:components] for hand in hands])
        pca = (off[:, :, None] @ inverse)[:, :, 0]
        return pca, np.abs((pca[:, :, None] @ kept)[:, :, 0] - off).max(axis=-1)

    def pose(self, hands: tuple[HandModel, HandModel]) -> FloatArray:
        """Full poses (T, 2, 45) with some models: rotation vectors, the mean included [rad]."""
        hands = self.models(hands)
        if self.rotations is None and self.pca is not None:
            count = self.pca.shape[2]
            turns = [self.pca[:, s] @ hand.components[:count] for s, hand in enumerate(hands)]
            given = np.stack(turns, axis=1)
        else:
            known = ~self.missing[..., None, None, None]
            seen = np.where(known, np.asarray(self.rotations), np.eye(3))
            vectors = rotvec_from_rotation(seen)
            given = vectors.reshape(*vectors.shape[:2], POSE)
            given[self.missing] = np.nan
        return given if self.flat_mean else given + np.stack([hand.mean for hand in hands])

    @property
    def missing(self) -> np.ndarray:
        """(T, 2) where a hand has no pose."""
        given = self.pca if self.pca is not None else self.rotations
        lost = ~np.isfinite(self.translation).all(axis=-1)
        lost |= ~np.isfinite(self.rotation).all(axis=(-2, -1))
        if given is not None:
            lost |= ~np.isfinite(given.reshape(*given.shape[:2], -1)).all(axis=-1)
        return np.asarray(lost)

    def T_root(self, hands: tuple[HandModel, HandModel]) -> FloatArray:
        """Poses (T, 2, 4, 4) of the hands' roots in the recording's frame [m]."""
        place = self.translation
        if self.root_offset is not None:
            models = enumerate(self.models(hands))
            roots = np.stack([self._roots(s, hand) for s, hand in models], axis=1)
            place = place + np.einsum("tij,tsj->tsi", self.root_offset, roots)
        return transform(self.rotation, place)

    def keypoints(self, hands: tuple[HandModel, HandModel]) -> FloatArray:
        """The 21 keypoints (T, 2, 21, 3) of some hand models so posed [m]; NaN of missing hands."""
        poses, placed = self.pose(hands), self.T_root(hands)
        points = np.full((*placed.shape[:2], 21, 3), np.nan)
        for s, hand in enumerate(self.models(hands)):
            seen = ~self.missing[:, s]
            betas = None if self.betas is None else self.betas[seen, s]
            at = HandKeypoints(hand).keypoints(pose=poses[seen, s], betas=betas)
            at = at - self._roots(s, hand)[seen][:, None]
            R, t = placed[seen, s, :3, :3], placed[seen, s, :3, 3]
            points[seen, s] = at @ R.swapaxes(-1, -2) + t[:, None]
        return points

    def moved(self, T: FloatArray) -> ForeignMano:
        """The same hands seen from another frame: points go through T (T, 4, 4) or (4, 4)."""
        T = np.broadcast_to(T, (len(self.rotation), 4, 4))
        R, t = T[:, :3, :3], T[:, :3, 3]
        return replace(
            self,
            rotation=R[:, None] @ self.rotation,
            translation=np.einsum("tij,tsj->tsi", R, self.translation) + t[:, None],
            root_offset=None if self.root_offset is None else R @ self.root_offset,
        )

    def without(self, lost: np.ndarray) -> ForeignMano:
        """The same with the hands missing where a mask (T, 2) says so."""

        def cut(values: FloatArray | None) -> FloatArray | None:
            if values is None:
                return None
            mask = lost.reshape(*lost.shape, *[1] * (values.ndim - 2))
            return np.where(mask, np.nan, values)

        return replace(
            self,
            rotation=np.where(lost[..., None, None], np.nan, self.rotation),
            translation=np.where(lost[..., None], np.nan, self.translation),
            rotations=cut(self.rotations),
            pca=cut(self.pca),
            betas=cut(self.betas),
        )

    def _roots(self, side: int, hand: HandModel) -> FloatArray:
        """Root joints (T, 3) at the hands' shapes [m]."""
        frames = len(self.translation)
        if self.betas is None:
            return np.broadcast_to(hand.root, (frames, 3))
        betas = self.betas[:, side]
        by_beta = np.einsum("v,vxk->xk", hand.regressor[0], hand.shapedirs[..., : betas.shape[1]])
        return np.asarray(hand.root + betas @ by_beta.T)


def model_offset(frames: int) -> FloatArray:
    """`ForeignMano.root_offset` of a translation that is added to the posed model, as smplx's."""
    return np.broadcast_to(np.eye(3), (frames, 3, 3)).copy()


def mirrored_rotations(R: FloatArray) -> FloatArray:
    """Rotations (..., 3, 3) of the other hand: y and z of their rotation vectors are negated."""
    return np.asarray(R * np.outer(MIRROR, MIRROR))

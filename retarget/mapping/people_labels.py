"""Labels of people for a policy: a person's motion on the canonical hand, by scaled fingertips.

Copying a user's pose to a hand of other proportions opens the pinches; the fingertips, brought to
the canonical hand's size and fitted as a robot's are, keep them better.
"""

from __future__ import annotations

import numpy as np

from retarget.core.errors import InputError
from retarget.core.types import SIDES, FloatArray, HumanMotion, Status
from retarget.human.keypoint_fitter import KeypointFitter
from retarget.human.keypoints import KEYPOINT_TIPS
from retarget.human.user import User
from retarget.human.user_shape import reach, rest_hand
from retarget.mapping.fitter import MANOFitter


class PeopleLabels:
    """Brings a user's motion to the canonical hand.

    Args:
        fitter: of fingertips to the canonical hands; gives the coefficients' number.
        user: whose motion it is.

    Attributes:
        sizes: (2,) reach of the canonical hands over the user's [-].
    """

    def __init__(self, fitter: MANOFitter, user: User) -> None:
        self.fitter, self.user = fitter, user
        self.sizes: FloatArray = np.array(
            [reach(rest_hand(hand)) / reach(rest_hand(hand, user)) for hand in fitter.hands]
        )
        self._people: dict[int, KeypointFitter] = {}

    def of(self, motion: HumanMotion, seen: FloatArray | None = None) -> HumanMotion:
        """The motion on the canonical hand.

        Args:
            motion: (T, 2, K) of the user's hands.
            seen: (T, 2, 21, 3) keypoints as they were seen [m]: of their fingertips those that are
                known are taken, rather than the fitted hand's.

        Returns:
            Coefficients of the fitter, the same wrists, and residuals (T, 2, 5) of the fingertips
            at the user's size [m]. A hand that did not converge in either fit says so.

        Raises:
            InputError: the motion is of another hand model.
        """
        if motion.hand != self.fitter.hand_hash:
            raise InputError(
                f"the motion is of hand model {motion.hand}, expected {self.fitter.hand_hash}"
            )
        components = motion.pca.shape[-1]
        if components not in self._people:
            self._people[components] = KeypointFitter(
                user=self.user, components=components, hands=self.fitter.hands
            )
        identity = np.broadcast_to(np.eye(4), motion.T_world_mano.shape)
        tips = self._people[components].placed(motion.pca, identity)[..., list(KEYPOINT_TIPS), :]
        if seen is not None:
            R, t = motion.T_world_mano[..., :3, :3], motion.T_world_mano[..., :3, 3]
            own = (seen[..., list(KEYPOINT_TIPS), :] - t[..., None, :]) @ R
            tips = np.where(np.isfinite(own), own, tips)
        fits = [
            self.fitter.fit_hand(side, self.sizes[side] * tips[:, side] + hand.root)
            for side, hand in zip(range(len(SIDES)), self.fitter.hands, strict=True)
        ]
        status = np.stack([fit.status for fit in fits], axis=1)
        return HumanMotion(
            pca=np.stack([fit.pca for fit in fits], axis=1),
            T_world_mano=motion.T_world_mano,
            residual=np.stack([fit.residual for fit in fits], axis=1) / self.sizes[:, None],
            iterations=np.stack([fit.iterations for fit in fits], axis=1),
            status=np.where(status == int(Status.OK), motion.status, status),
            hand=motion.hand,
        )

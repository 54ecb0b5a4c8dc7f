"""The two ways of human motion to the robot: people's by HandMap, a policy's by HandMLP."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retarget.core.errors import InputError
from retarget.core.progress import Progress

if TYPE_CHECKING:
    from retarget.cli.commands.options import RetargeterOptions
    from retarget.mapping.people_retargeter import MappedMotion
    from retarget.mapping.retargeter import Retargeter
    from retarget.replay.human_to_demo import HumanReplay
    from retarget.replay.people_to_demo import PeopleMapping, PeopleReplay
    from retarget.replay.report_html.people import PeoplePage
    from retarget.replay.tolerances import Tolerances

MAPS = ("people", "policy")


class WaysToRobot:
    """Converts files, each by the way it asks for; what a way needs is loaded when first used.

    Args:
        map_: one of `MAPS` for all files, or "auto": people's where the file has a user.
        align: where people's wrists go.
        scale: of their ways [-].
        refine: steps after the hand networks.
        using: robot, hands, networks.
        tolerances: of the verdicts.
        page: whether a page is to be written, which is for people alone.
    """

    def __init__(
        self,
        map_: str,
        align: str,
        scale: float,
        refine: int,
        using: RetargeterOptions,
        tolerances: Tolerances,
        *,
        page: bool,
    ) -> None:
        self.tolerances = tolerances
        self._map, self._align, self._scale = map_, align, scale
        self._refine, self._using, self._paged = refine, using, page

    @cached_property
    def _retargeter(self) -> Retargeter:
        return self._using.load_retargeter(self._refine)

    @cached_property
    def _mapping(self) -> PeopleMapping:
        from retarget.human.hand_model import load_hands
        from retarget.replay.people_to_demo import PeopleMapping

        return PeopleMapping(
            self._using.load_robot(),
            load_hands(self._using.hands),
            align=self._align,
            scale=self._scale,
            tolerances=self.tolerances,
        )

    @cached_property
    def _page(self) -> PeoplePage:
        from retarget.replay.report_html.people import PeoplePage

        return PeoplePage(self._mapping)

    def convert(self, path: Path, out: Path, *, progress: Progress) -> HumanReplay | PeopleReplay:
        """Write one file as a demonstration, and judge it."""
        if self._is_of_people(path):
            from retarget.replay.people_to_demo import people_to_demo

            blocks: list[MappedMotion] = []
            replay = people_to_demo(
                path,
                out,
                self._mapping,
                progress=progress,
                keep=blocks.append if self._paged else None,
            )
            if self._paged:
                self._page.add(replay, blocks)
            return replay
        if self._paged:
            raise InputError(f"{path} is a policy's: --html is for people; see retarget replay")
        from retarget.replay.human_to_demo import human_to_demo

        return human_to_demo(
            path, out, self._retargeter, tolerances=self.tolerances, progress=progress
        )

    def settings(self) -> dict[str, Any]:
        """How, for the JSON: of the ways that were gone."""
        from retarget.replay.report_json import mapping_settings, retargeter_settings

        found: dict[str, Any] = {}
        if "_retargeter" in vars(self):
            found |= retargeter_settings(self._retargeter)
        if "_mapping" in vars(self):
            found |= mapping_settings(self._mapping)
        return found

    def write_page(self, path: Path, refused: Sequence[tuple[str, str]]) -> None:
        """Write the page of all files."""
        from retarget.core.files import write_text

        for name, message in refused:
            self._page.refuse(name, message)
        write_text(path, self._page.html())

    def _is_of_people(self, path: Path) -> bool:
        if self._map != "auto":
            return self._map == "people"
        from retarget.data.human_file import is_of_person

        return is_of_person(path)

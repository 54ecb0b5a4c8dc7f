"""What a file holds is told apart in one place, and every reader says what it was given instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from action_values import random_action
from demo_files import write_raw

from retarget.core.errors import FileError
from retarget.core.types import HumanMotion
from retarget.data.action_file import ActionFileInfo, load_actions, save_actions
from retarget.data.demo.reader import load_demo
from retarget.data.file_kind import FileKind, file_kind
from retarget.data.human_file import HumanFileInfo, load_human, save_human


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[FileKind, Path]:
    folder = tmp_path_factory.mktemp("kinds")
    paths = {kind: folder / f"{kind.name.lower()}.hdf5" for kind in FileKind}
    write_raw(paths[FileKind.DEMO])
    motion = HumanMotion(
        pca=np.zeros((3, 2, 15)),
        T_world_mano=np.broadcast_to(np.eye(4), (3, 2, 4, 4)),
        residual=np.zeros((3, 2, 5)),
        iterations=np.zeros((3, 2), dtype=np.int64),
        status=np.zeros((3, 2), dtype=np.int64),
        hand="abc",
    )
    save_human(paths[FileKind.HUMAN], motion, HumanFileInfo(30.0, "abc", 15))
    save_actions(paths[FileKind.ACTIONS], random_action(0, (3,)), ActionFileInfo(30.0, "abc"))
    with h5py.File(paths[FileKind.OTHER], "w") as file:
        file.attrs["format"], file["x"] = 3, 1.0
    return paths


def test_kinds_are_told_apart(files: dict[FileKind, Path], tmp_path: Path) -> None:
    for kind, path in files.items():
        assert file_kind(path) is kind
    with pytest.raises(FileError, match="no such file"):
        file_kind(tmp_path / "none.hdf5")


LOAD: dict[FileKind, Callable[[Path], Any]] = {
    FileKind.DEMO: load_demo,
    FileKind.HUMAN: load_human,
    FileKind.ACTIONS: load_actions,
}


@pytest.mark.parametrize(
    ("wanted", "given", "says"),
    [
        (FileKind.DEMO, FileKind.HUMAN, "is a human motion file .*expected a demonstration"),
        (FileKind.DEMO, FileKind.ACTIONS, "is an action file .*expected a demonstration"),
        (FileKind.HUMAN, FileKind.DEMO, r"is not a human motion file.*a robot demonstration\?"),
        (FileKind.HUMAN, FileKind.ACTIONS, "is an action file .*expected a human motion file"),
        (FileKind.HUMAN, FileKind.OTHER, "is not a human motion file: attribute 'format'"),
        (FileKind.ACTIONS, FileKind.DEMO, r"is not an action file.*a robot demonstration\?"),
        (FileKind.ACTIONS, FileKind.HUMAN, "is a human motion file .*expected an action file"),
        (FileKind.ACTIONS, FileKind.OTHER, "is not an action file: attribute 'format'"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(
    files: dict[FileKind, Path], wanted: FileKind, given: FileKind, says: str
) -> None:
    with pytest.raises(FileError, match=says):
        LOAD[wanted](files[given])

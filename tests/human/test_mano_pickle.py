"""Official MANO pickles are read without chumpy; a hostile one is refused, and never runs."""

from __future__ import annotations

import os
import pickle
import pickletools
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_files import (
    chumpy_modules,
    mano_arrays,
    official_pickle,
    python2_pickle,
    rough_hand,
)
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from retarget.core.errors import FileError, ModelError
from retarget.core.types import SIDES
from retarget.human.hand_model import load_hand, load_hands
from retarget.human.mano_convert import check, convert, hand_files
from retarget.human.mano_format import LEFT_MENDED
from retarget.human.mano_pickle import load_mano_pickle


def official_arrays(side: str) -> dict[str, Any]:
    """A hand's entries as its official file has them, the left one's wrong sign included."""
    arrays = mano_arrays(rough_hand(side))
    if side == "left":
        arrays["shapedirs"] = arrays["shapedirs"] * [[-1.0], [1.0], [1.0]]
    return arrays


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with MANO_LEFT.pkl and MANO_RIGHT.pkl."""
    folder = tmp_path_factory.mktemp("official")
    for side in SIDES:
        (folder / f"MANO_{side.upper()}.pkl").write_bytes(official_pickle(official_arrays(side)))
    return folder


def write(folder: Path, data: bytes) -> Path:
    path = folder / "MANO_RIGHT.pkl"
    path.write_bytes(data)
    return path


# --- files that are what they should be


@pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")
def test_the_test_files_have_the_official_structure(official: Path) -> None:
    data = (official / "MANO_RIGHT.pkl").read_bytes()
    operations = list(pickletools.genops(data))
    names = {str(argument) for op, argument, _ in operations if op.name == "GLOBAL"}
    assert names >= {
        "numpy.core.multiarray _reconstruct",
        "numpy ndarray",
        "numpy dtype",
        "scipy.sparse.csc csc_matrix",
        "chumpy.ch Ch",
        "chumpy.reordering Select",
        "__builtin__ set",
    }
    assert "BINSTRING" in {op.name for op, _, _ in operations}
    assert not {op.name for op, _, _ in operations} & {"BINUNICODE", "BINBYTES"}
    # the names are of modules that are not there, or not any more
    with pytest.raises(ModuleNotFoundError):
        pickle.loads(data, encoding="latin-1")


def test_reads_the_official_structure(official: Path) -> None:
    for side in SIDES:
        arrays = official_arrays(side)
        read = load_mano_pickle(official / f"MANO_{side.upper()}.pkl")
        for key, values in read.items():
            np.testing.assert_array_equal(values, arrays[key], err_msg=key)
        assert set(arrays) - set(read) == {"J", "bs_style", "bs_type"}
    assert "chumpy" not in sys.modules


def test_loads_and_mends_the_official_pair(official: Path) -> None:
    left, right = load_hands(official)
    assert (left.notes, right.notes) == ((LEFT_MENDED,), ())
    assert left.mirrored().shapedirs.tobytes() == right.shapedirs.tobytes()
    np.testing.assert_array_equal(right.template, rough_hand().template)


@pytest.mark.parametrize("protocol", [1, 2])
def test_older_protocols(tmp_path: Path, protocol: int) -> None:
    data = official_pickle(official_arrays("right"), protocol)
    assert (b"copy_reg\n_reconstructor" in data) == (protocol == 1)
    read = load_mano_pickle(write(tmp_path, data))
    np.testing.assert_array_equal(read["shapedirs"], official_arrays("right")["shapedirs"])


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("layout", ["csc_matrix", "csr_matrix", "coo_matrix", "csc_array"])
def test_files_saved_anew_by_todays_python(tmp_path: Path, protocol: int, layout: str) -> None:
    arrays = official_arrays("right")
    regressor = getattr(sparse, layout)(arrays["J_regressor"])
    fortran = np.asfortranarray(arrays["posedirs"])
    big_endian = arrays["weights"].astype(">f8")
    content = {**arrays, "J_regressor": regressor, "posedirs": fortran, "weights": big_endian}
    read = load_mano_pickle(write(tmp_path, pickle.dumps(content, protocol)))
    for key, values in read.items():
        np.testing.assert_array_equal(values, arrays[key], err_msg=key)


def test_chumpy_arrays_in_every_place(tmp_path: Path) -> None:
    arrays = official_arrays("right")
    with chumpy_modules() as (Ch, Select):
        content: dict[str, Any] = dict(arrays)
        for key in ("v_template", "weights", "posedirs", "hands_mean"):
            content[key] = Ch()
            content[key].__dict__.update(x=arrays[key], _itr=None)
        # no preferred shape: what is picked stays flat
        flat = Select()
        inner = Ch()
        inner.__dict__.update(x=np.arange(90.0))
        flat.__dict__.update(a=inner, idxs=np.arange(0, 90, 2))
        content["hands_variance"] = flat
        data = python2_pickle(content)
    read = load_mano_pickle(write(tmp_path, data))
    for key in ("v_template", "weights", "posedirs", "hands_mean"):
        np.testing.assert_array_equal(read[key], arrays[key])
    np.testing.assert_array_equal(read["hands_variance"], np.arange(0.0, 90.0, 2.0))


# --- conversion


@pytest.mark.parametrize("side", SIDES)
def test_convert_keeps_the_model(official: Path, tmp_path: Path, side: str) -> None:
    source = official / f"MANO_{side.upper()}.pkl"
    target = convert(source, tmp_path)
    assert target == tmp_path / f"MANO_{side.upper()}.npz"
    before, after = load_hand(side, source), load_hand(side, target)
    assert after.hash == before.hash
    assert after.notes == before.notes == ((LEFT_MENDED,) if side == "left" else ())
    assert check(target).notes == before.notes
    with np.load(target, allow_pickle=False) as file:
        np.testing.assert_allclose(file["J"], after.joints())
        assert file["bs_style"] == "lbs"
    assert sorted(path.name for path in tmp_path.iterdir()) == [target.name]


def test_smplx_loads_what_was_converted(official: Path, tmp_path: Path) -> None:
    smplx = pytest.importorskip("smplx")
    convert(official / "MANO_RIGHT.pkl", tmp_path)
    vertices = smplx.MANO(str(tmp_path), ext="npz", flat_hand_mean=True)().vertices
    expected = load_hand("right", tmp_path).template
    np.testing.assert_allclose(vertices.detach().numpy()[0], expected, atol=1e-6)


def test_convert_never_writes_unasked(official: Path, tmp_path: Path) -> None:
    source = write(tmp_path, (official / "MANO_RIGHT.pkl").read_bytes())
    load_hand("right", source)
    check(source)
    assert list(tmp_path.iterdir()) == [source]
    target = convert(source)
    assert target == tmp_path / "MANO_RIGHT.npz"
    # and from then on the converted file is the one that is found
    assert load_hand("right", tmp_path).source == str(target)
    before = target.read_bytes()
    with pytest.raises(FileError, match="already exists"):
        convert(source, target)
    assert target.read_bytes() == before
    assert convert(source, target, overwrite=True) == target
    with pytest.raises(FileError, match=r"must be a \.npz file or a folder"):
        convert(source, tmp_path / "hand.pkl")
    with pytest.raises(FileError, match="no folder"):
        convert(source, tmp_path / "nowhere" / "hand.npz")


def test_a_failed_conversion_leaves_nothing(official: Path, tmp_path: Path) -> None:
    source = write(tmp_path, (official / "MANO_RIGHT.pkl").read_bytes()[:-100])
    with pytest.raises(ModelError):
        convert(source)
    assert list(tmp_path.iterdir()) == [source]


def test_check_says_what_a_file_is(official: Path, tmp_path: Path) -> None:
    reports = [check(path) for path in hand_files(official)]
    assert [report.side for report in reports] == list(SIDES)
    text = "\n".join(reports[0].lines())
    for part in ("left hand", reports[0].hash, "shapedirs 778x3x10", LEFT_MENDED, "hands_coeffs"):
        assert part in text
    assert reports[0].hash == load_hand("left", official).hash
    assert "nothing to mend" in "\n".join(reports[1].lines())
    assert all(report.length_width > 0.5 for report in reports)
    assert hand_files(reports[0].path) == [reports[0].path]
    with pytest.raises(ModelError, match="no MANO_LEFT or MANO_RIGHT"):
        hand_files(tmp_path)
    with pytest.raises(ModelError, match="no such file or folder"):
        hand_files(tmp_path / "MANO_RIGHT.pkl")


# --- files that want to run something


class Calls:
    """Pickles as a call of `function`, which need not be importable by its own name."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


def call_by_name(name: str, argument: str) -> bytes:
    """A program that calls the function `module name` with one string."""
    return b"\x80\x02c" + name.encode() + b"\n(X" + packed(argument) + b"tR."


def packed(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode()


def hostile(sentinel: Path) -> dict[str, tuple[bytes, str]]:
    """Programs that would create `sentinel`, each with the name that it is refused for."""
    shell = f"{'type nul >' if os.name == 'nt' else 'touch'} {sentinel}"
    python = f"open({str(sentinel)!r}, 'w').close()"
    arrays = official_arrays("right")
    system = Calls(os.system, shell)
    calls = f"{os.system.__module__}.system"
    with chumpy_modules() as (Ch, _):
        tricky = Ch()
        tricky.__dict__.update(x=Calls(exec, python))
        in_chumpy = python2_pickle({**arrays, "v_template": tricky})
    stack_global = b"\x80\x04\x8c\x05numpy\x8c\x0ef2py.os.system\x93\x8c"
    stack_global += bytes([len(shell)]) + shell.encode() + b"\x85R."
    return {
        "plain": (pickle.dumps(system, 2), calls),
        "nested": (pickle.dumps({**arrays, "bs_type": [({1: system},)]}, 4), calls),
        "key": (pickle.dumps({**arrays, "unknown": system}, 2), calls),
        "in an array": (pickle.dumps({**arrays, "f": np.array([system])}, 4), calls),
        "in chumpy": (in_chumpy, "__builtin__.exec"),
        "eval": (call_by_name("__builtin__\neval", python), "__builtin__.eval"),
        "python 3": (call_by_name("builtins\neval", python), "builtins.eval"),
        "getattr": (call_by_name("builtins\ngetattr", "x"), "builtins.getattr"),
        "import": (call_by_name("builtins\n__import__", "os"), "builtins.__import__"),
        "numpy's loader": (call_by_name("numpy\nload", str(sentinel)), "numpy.load"),
        "numpy's compiler": (call_by_name("numpy.f2py\ncompile", "x"), "numpy.f2py.compile"),
        "numpy's test runner": (
            call_by_name("numpy.testing._private.utils\nruncode", python),
            "numpy.testing._private.utils.runcode",
        ),
        "through a dotted name": (stack_global, "numpy.f2py.os.system"),
        "behind chumpy": (call_by_name("chumpy.ch\nos.system", shell), "chumpy.ch.os.system"),
        "like chumpy": (call_by_name("chumpyx.ch\nCh", shell), "chumpyx.ch.Ch"),
        "instance": (b"(S'" + shell.encode() + b"'\niposix\nsystem\n.", "posix.system"),
        "object": (b"(cposix\nsystem\nS'" + shell.encode() + b"'\no.", "posix.system"),
        "copy_reg": (
            b"\x80\x02ccopy_reg\n_reconstructor\n(csubprocess\nPopen\nc__builtin__\nobject\n"
            b"X" + packed(shell) + b"tR.",
            "subprocess.Popen",
        ),
        "copy_reg's extensions": (
            call_by_name("copyreg\nadd_extension", shell),
            "copyreg.add_extension",
        ),
        "by another codec": (call_by_name("_codecs\nlookup", "x"), "_codecs.lookup"),
        "persistent": (b"Pevil\n.", "a persistent id"),
        "extension": (b"\x80\x02\x82\x01.", "an extension code"),
        "memory index": (b"\x80\x02]r\xff\xff\xff\x7f.", "memory index 2147483647"),
    }


@pytest.mark.parametrize("name", list(hostile(Path("x"))))
def test_hostile_files_are_refused_by_name_and_stay_inert(tmp_path: Path, name: str) -> None:
    sentinel = tmp_path / "ran"
    data, refused = hostile(sentinel)[name]
    with pytest.raises(ModelError) as caught:
        load_mano_pickle(write(tmp_path, data))
    assert not sentinel.exists()
    assert caught.value.evidence["refused"] == refused
    assert refused in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "MANO_RIGHT.pkl"))


@pytest.mark.skipif(os.name == "nt", reason="the shell command is for POSIX")
@pytest.mark.parametrize("name", ["plain", "eval", "through a dotted name", "instance", "object"])
def test_the_hostile_files_do_run_elsewhere(tmp_path: Path, name: str) -> None:
    """The control: pickle's own reader runs them, so that staying inert means something."""
    sentinel = tmp_path / "ran"
    pickle.loads(hostile(sentinel)[name][0])
    assert sentinel.exists()


def array_program(
    code: str = "f8", order: str = "<", shape: str = "K\x01\x85", raw: str = ""
) -> bytes:
    """A dictionary whose v_template is an array with the given parts."""
    return (
        b"\x80\x02}X\x0a\x00\x00\x00v_templatecnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray"
        b"\nK\x00\x85U\x01btR(K\x01"
        + shape.encode("latin-1")
        + b"cnumpy\ndtype\n(U"
        + bytes([len(code)])
        + code.encode()
        + b"K\x00K\x01tR(K\x03U\x01"
        + order.encode()
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89X"
        + packed(raw)
        + b"tbs."
    )


def test_the_hand_written_array_is_one(tmp_path: Path) -> None:
    read = load_mano_pickle(write(tmp_path, array_program(raw="\0" * 8)))
    np.testing.assert_array_equal(read["v_template"], [0.0])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"code": "O8"}, "numbers of type <O8"),
        ({"code": "V8"}, "numbers of type <V8"),
        ({"code": "f8,O"}, "numbers of type <f8,O"),
        ({"order": "!"}, "numbers of type !f8"),
        ({"raw": "\0" * 9}, "buffer size must be a multiple"),
        ({"shape": "K\x02\x85"}, "cannot reshape"),
        # a petabyte is promised, eight bytes are there
        ({"shape": "\x8a\x07\x00\x00\x00\x00\x00\x00\x7f\x85"}, "cannot reshape"),
        ({"shape": "U\x01x"}, "v_template cannot be read"),
    ],
)
def test_arrays_whose_parts_disagree(tmp_path: Path, parts: dict[str, str], message: str) -> None:
    program = array_program(**{"raw": "\0" * 8, **parts})
    with pytest.raises(ModelError, match="v_template cannot be read") as caught:
        load_mano_pickle(write(tmp_path, program))
    assert message in str(caught.value)


def sparse_with(**changes: Any) -> Any:
    matrix = sparse.csc_matrix(official_arrays("right")["J_regressor"])
    matrix.__dict__.update(changes)
    return matrix


@pytest.mark.parametrize(
    "changes",
    [
        {"_shape": (10**9, 10**9)},
        {"_shape": (16, 777)},
        {"_shape": (-16, 778)},
        {"_shape": "16x778"},
        {"indptr": np.array([0, 10**9])},
        {"indices": np.full(1, 10**6)},
        {"indices": None},
        {"data": np.zeros(3)},
    ],
    ids=str,
)
def test_sparse_matrices_that_point_outside(tmp_path: Path, changes: dict[str, Any]) -> None:
    content = {**official_arrays("right"), "J_regressor": sparse_with(**changes)}
    with pytest.raises(ModelError, match="J_regressor cannot be read"):
        load_mano_pickle(write(tmp_path, python2_pickle(content)))


def test_sparse_indices_past_the_end(tmp_path: Path) -> None:
    for row in (16, -1):
        indices = sparse_with().indices.copy()
        indices[5] = row
        content = {**official_arrays("right"), "J_regressor": sparse_with(indices=indices)}
        with pytest.raises(ModelError, match="J_regressor cannot be read"):
            load_mano_pickle(write(tmp_path, python2_pickle(content)))


def test_chumpy_that_computes_is_refused(tmp_path: Path) -> None:
    with chumpy_modules() as (Ch, Select):
        Ch.__name__ = Ch.__qualname__ = "MatVecMult"
        content: dict[str, Any] = {**official_arrays("right"), "v_template": Ch()}
        content["v_template"].x = np.zeros(3)
        data = python2_pickle(content)
        loop = Select()
        loop.__dict__.update(a=loop, idxs=np.arange(3))
        endless = python2_pickle({**official_arrays("right"), "v_template": loop})
    with pytest.raises(ModelError, match=r"chumpy\.ch\.MatVecMult is a computation"):
        load_mano_pickle(write(tmp_path, data))
    with pytest.raises(ModelError, match="nested too deeply"):
        load_mano_pickle(write(tmp_path, endless))


def test_a_stand_in_cannot_be_altered(tmp_path: Path) -> None:
    """BUILD on a class, not an object: with pickle's own reader it would set its attributes."""
    for target in ("numpy\ndtype", "chumpy.ch\nCh", "copy_reg\n_reconstructor"):
        program = b"\x80\x02c" + target.encode() + b"\nN}X\x04\x00\x00\x00kindK\x01s\x86b."
        with pytest.raises(ModelError, match="not a readable pickle"):
            load_mano_pickle(write(tmp_path, program))


# --- files that are something else


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a pickle, or is cut short"),
        (b"<html>please log in</html>", "not a pickle, or is cut short"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not a pickle, or is cut short"),
        (b"PK\x03\x04" + bytes(100), "not a pickle, or is cut short"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x00.", "not a pickle, or is cut short"),
        (pickle.dumps([1, 2]), "holds list, not a dictionary"),
        (pickle.dumps(np.zeros(3)), "not a dictionary"),
        (b"\x80\x02\x85.", "not a readable pickle"),
        (b"\x80\x02" + b"N" * 300_000 + b".", "more than 200000 steps"),
    ],
)
def test_other_files(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_mano_pickle(write(tmp_path, data))


def test_a_file_that_is_too_large_or_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retarget.human.mano_pickle.LARGEST_FILE", 10)
    with pytest.raises(ModelError, match="has more than 10 bytes, expected a hand model"):
        load_mano_pickle(write(tmp_path, b"N" * 11))
    with pytest.raises(ModelError, match="no such file"):
        load_mano_pickle(tmp_path / "none.pkl")
    monkeypatch.undo()
    with pytest.raises(ModelError, match="is a folder"):
        load_mano_pickle(tmp_path)


def test_a_hand_that_lacks_something(tmp_path: Path) -> None:
    arrays = official_arrays("right")
    del arrays["posedirs"], arrays["weights"]
    path = write(tmp_path, pickle.dumps(arrays))
    with pytest.raises(ModelError, match="not a MANO hand: no posedirs, weights"):
        load_hand("right", path)
    with pytest.raises(ModelError, match="not a MANO hand: no posedirs, weights"):
        check(path)


SMALL = official_pickle({**official_arrays("right"), "posedirs": np.zeros((2, 3, 4))})
STARTS = [position for _, _, position in pickletools.genops(SMALL)]


@given(cut=st.integers(0, len(SMALL) - 1))
def test_every_cut_is_noticed(tmp_path: Path, cut: int) -> None:
    with pytest.raises(ModelError, match=r"cut short|cannot be read"):
        load_mano_pickle(write(tmp_path, SMALL[:cut]))


@given(data=st.data())
def test_damage_is_an_error_or_still_arrays(tmp_path: Path, data: st.DataObject) -> None:
    """Any change to the program ends in arrays or in a ModelError, never in anything else."""
    changed = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.sampled_from(STARTS))
        changed[start + data.draw(st.integers(0, 3))] = data.draw(st.integers(0, 255))
    try:
        read = load_mano_pickle(write(tmp_path, bytes(changed)))
    except ModelError:
        return
    assert all(isinstance(values, np.ndarray) for values in read.values())


# --- the real files, where they are


@pytest.mark.skipif("MANO_MODELS" not in os.environ, reason="needs the licensed MANO files")
@pytest.mark.parametrize("side", SIDES)
def test_real_mano(tmp_path: Path, side: str) -> None:
    hand = load_hand(side, "mano")
    target = convert(hand.source, tmp_path)
    assert load_hand(side, target).hash == hand.hash
    if side == "left" and hand.source.endswith(".pkl"):
        assert hand.notes == (LEFT_MENDED,)
    assert check(target).length_width > 0.2

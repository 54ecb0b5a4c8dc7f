"""Write OPEN_HAND_RIGHT.npz and OPEN_HAND_LEFT.npz, an open hand in MANO's file format.

    python mano_models/generate_open_hand.py              # into mano_models/
    python mano_models/generate_open_hand.py --pkl DIR    # pickles for smplx, into DIR alone

Needs this library and scipy; runs in seconds; a second run writes the same arrays.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder of the npz files; this one by default")
    parser.add_argument("--pkl", type=Path, help="folder for MANO_RIGHT.pkl and MANO_LEFT.pkl")
    options = parser.parse_args(arguments)

    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    from open_hand.model import build_right, mirror, write_npz, write_pkl

    right = build_right()
    # who asks for pickles alone does not ask for this folder's files anew
    out = HERE if options.out is None and options.pkl is None else options.out
    for side, model in (("RIGHT", right), ("LEFT", mirror(right))):
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            write_npz(model, out / f"OPEN_HAND_{side}.npz")
        if options.pkl is not None:
            options.pkl.mkdir(parents=True, exist_ok=True)
            write_pkl(model, options.pkl / f"MANO_{side}.pkl")


if __name__ == "__main__":
    main()

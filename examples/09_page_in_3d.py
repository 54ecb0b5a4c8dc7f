"""A demonstration as a page that plays in 3D: one file, which loads nothing from anywhere.

Open it in a browser; `python 09_page_in_3d.py FILE` says where to write it. `retarget view` does
the same for a file, and `retarget.Viewer` shows a robot live, from its control loop.
"""

import re
import sys
import tempfile
from pathlib import Path

from retarget import Retargeter, make_demo
from retarget.viewer.export import view_demo

folder = Path(tempfile.mkdtemp())
target = Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "demo.html"
make_demo(folder / "demo.hdf5", frames=120, task="tripod")

view = view_demo(folder / "demo.hdf5", Retargeter("h1_inspire"))
page = view.page(stride=2)  # every second frame
target.write_text(page, encoding="utf-8")

asked = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']?https?:", page)
print(f"wrote {target}")
print(f"{len(page) / 1e6:.1f} MB, layers {', '.join(layer.path for layer in view.scene.layers)}")
print(f"files it loads from elsewhere: {len(asked)}")

"""What `Viewer.show` costs the control loop that calls it, whoever looks.

python -m benchmarks.viewer [--check] [--json OUT]

Pages: none; a headless Chromium that draws in software, here on the same cores; one that has asked
for a frame and reads nothing since. Each at the pace of a loop and flat out.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from tornado.websocket import websocket_connect

from benchmarks.bench import Bench, parser, run
from benchmarks.timing import BLOCK, ForwardKinematics
from retarget import Retargeter, Viewer
from retarget.core.errors import RetargetError
from retarget.core.types import FloatArray
from retarget.data.generate.make_demo import make_demo
from retarget.mapping.retargeter import RoundTrip

_PACES = ((30.0, 300), (0.0, 3_000))  # rate [Hz], 0: flat out; calls
_FRAMES = 300


def calls(bench: Bench) -> None:
    """The table of call times; `figures` has the slowest median and 99th percentile."""
    rt = Retargeter(bench.robot)
    trip = rt.round_trip(make_demo(frames=_FRAMES, seed=bench.seed, robot=bench.robot))
    rows, medians, tails = [], [], []
    for name, looking in (("none", _nobody), ("draws", _draws), ("hangs", _hangs)):
        for rate, count in _PACES:
            pace = f"{rate:g} Hz" if rate else "flat out"
            bench.say(f"viewer: page {name}, {pace}")
            with Viewer(fitter=rt.fitter) as viewer:
                try:
                    with looking(viewer.url):
                        wall, own, unit, late = _times(viewer, trip, bench.fk, rate, count)
                except (ImportError, RetargetError) as missing:
                    bench.report.notes.append(f"no page that draws: {missing}")
                    break
            medians.append(float(np.median(wall / unit)))
            tails.append(float(np.percentile(own / unit, 99)))
            lateness = float(np.percentile(late, 99)) if rate else None
            walls = (np.median(wall), np.percentile(wall, 99), wall.max())
            owns = (np.percentile(own, 99), own.max())
            rows.append((name, pace, count, *walls, *owns, lateness, medians[-1]))
    figures = bench.report.figures
    figures["show_median"], figures["show_p99"] = max(medians), max(tails)
    names = ("median", "p99", "max", "p99, processor time", "max, same")
    bench.report.table(
        "Viewer.show of a whole round trip, microseconds",
        {"page": "{}", "pace": "{}", "calls": "{:,}", **dict.fromkeys(names, "{:,.0f}"),
         "loop late, p99, ms": "{:.1f}", "median, FK calls": "{:.1f}"},
        rows,
        "Wall time counts what the viewer's thread, the browser and other processes take; "
        "processor time does not, and is what the bound on the 99 % looks at.",
    )  # fmt: skip


def _times(
    viewer: Viewer, trip: RoundTrip, fk: ForwardKinematics, rate: float, count: int
) -> tuple[FloatArray, ...]:
    """Wall, processor and forward kinematics' time of each call [us]; how late it began [ms]."""
    wall, own, unit, late = np.zeros((4, count))
    gc.collect()
    due = time.perf_counter()
    for k in range(count):
        if rate:
            due += 1.0 / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            late[k] = 1e3 * (time.perf_counter() - due)
        spent, began = time.thread_time_ns(), time.perf_counter_ns()
        viewer.show(trip, row=k % _FRAMES)
        wall[k] = 1e-3 * (time.perf_counter_ns() - began)
        own[k] = 1e-3 * (time.thread_time_ns() - spent)
        if rate:  # one call each, as cold as what is measured
            unit[k] = 1e6 * fk.median(1)
        elif k % BLOCK == 0:
            unit[k : k + BLOCK] = 1e6 * fk.median()
    if rate:
        unit[:] = np.median(unit)
    return wall, own, unit, late


@contextmanager
def _nobody(url: str) -> Iterator[None]:
    yield


@contextmanager
def _draws(url: str) -> Iterator[None]:
    from playwright.sync_api import sync_playwright

    from retarget.viewer.browser import FLAGS, find_browser

    path = find_browser()
    flags = [flag for flag in FLAGS if flag != "--headless"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*flags, "--no-sandbox"])
        try:
            page = browser.new_page()
            page.goto(url)
            page.wait_for_selector(".rt-ready", state="attached")
            yield
        finally:
            browser.close()


@contextmanager
def _hangs(url: str) -> Iterator[None]:
    """A socket that has been sent the first frame, has asked for more, and is never read again."""

    async def ask() -> None:
        socket = await websocket_connect(url.replace("http", "ws") + "live")
        for _ in range(2):
            await socket.read_message()
        await socket.write_message("next")
        asked.set_result(None)
        over.result()  # the loop stands still: nothing that arrives is read

    asked: Future[None] = Future()
    over: Future[None] = Future()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(asyncio.run, ask())
        try:
            asked.result(timeout=10)
            yield
        finally:
            over.set_result(None)
            done.result(timeout=10)


if __name__ == "__main__":
    sys.exit(run(parser(__doc__).parse_args(), {"viewer": calls}))

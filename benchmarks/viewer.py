"""What `Viewer.show` costs the control loop that calls it, whoever looks.

python -m benchmarks.viewer [--check]

Pages: none; a headless Chromium that draws in software, here on the same cores; one that has asked
for a frame and reads nothing since. Each at the pace of a loop and flat out.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from tornado.websocket import websocket_connect

from benchmarks import timing
from benchmarks.report import Report
from retarget import Retargeter, Viewer
from retarget.core.errors import RetargetError
from retarget.core.types import FloatArray
from retarget.data.generate.make_demo import make_demo
from retarget.mapping.retargeter import RoundTrip

_CALLS = 3_000
_FRAMES = 300
_RATES = (30.0, 0.0)  # [Hz]; 0: flat out
_MOST = 2_000.0  # median and 99th percentile of a call [us]


def calls(report: Report, say: Callable[[str], None]) -> None:
    """The table of call times; `figures` has the slowest median and 99th percentile."""
    rt = Retargeter()
    trip = rt.round_trip(make_demo(frames=_FRAMES))
    rows, medians, tails = [], [], []
    for name, looking in (("none", _nobody), ("draws", _draws), ("hangs", _hangs)):
        for rate in _RATES:
            pace = f"{rate:g} Hz" if rate else "flat out"
            say(f"viewer: page {name}, {pace}")
            with Viewer(fitter=rt.fitter) as viewer:
                try:
                    with looking(viewer.url):
                        micro, own, late = _times(viewer, trip, rate)
                except (ImportError, RetargetError) as missing:
                    report.notes.append(f"no page that draws: {missing}")
                    continue
            medians.append(float(np.median(micro)))
            tails.append(float(np.percentile(micro, 99)))
            told = (medians[-1], tails[-1], float(micro.max()), float(own.max()))
            lateness = f"{np.percentile(late, 99):.1f}" if rate else ""
            rows.append((name, pace, *(f"{v:,.0f}" for v in told), lateness))
    report.figures["show_median"], report.figures["show_p99"] = max(medians), max(tails)
    report.table(
        f"Viewer.show of a whole round trip, {_CALLS:,} calls, microseconds",
        ("page", "pace", "median", "p99", "max", "max, processor time", "loop late, p99, ms"),
        rows,
        "Wall time counts what the viewer's thread, the browser and other processes take; "
        "processor time does not.",
    )


def _times(viewer: Viewer, trip: RoundTrip, rate: float) -> tuple[FloatArray, ...]:
    """Wall and processor time of each call [us], and how late the loop woke up for it [ms]."""
    micro, own, late = np.zeros((3, _CALLS))
    gc.collect()
    due = time.perf_counter()
    for k in range(_CALLS):
        if rate:
            due += 1.0 / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            late[k] = 1e3 * (time.perf_counter() - due)
        spent, began = time.thread_time_ns(), time.perf_counter_ns()
        viewer.show(trip, row=k % _FRAMES)
        micro[k] = 1e-3 * (time.perf_counter_ns() - began)
        own[k] = 1e-3 * (time.thread_time_ns() - spent)
    return micro, own, late


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


def main() -> int:
    """Measure; 1 where it is to be checked and a call costs more than the loop can spare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    report, quiet = Report(), timing.Quiet()
    calls(report, lambda what: print(what, file=sys.stderr))
    report.notes += quiet.notes()
    report.show()
    short = [name for name in ("show_median", "show_p99") if report.figures[name] > _MOST]
    for name in short if options.check else ():
        print(f"falls short: {name} {report.figures[name]:,.0f} us, at most {_MOST:,.0f}")
    return 1 if short and options.check else 0


if __name__ == "__main__":
    sys.exit(main())

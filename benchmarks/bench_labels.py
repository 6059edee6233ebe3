"""Labels of stop and target (002, section 9): `label_bars` against the row loop that the document describes.

All sides label the same random-walk bars by the same rules: a buy and a sell from every close, stop at one ATR, target at two, followed bar by bar until both are
decided; an open beyond a level settles it, else the stop comes first in a bar that touches both. The average true range is TA-Lib's on every side. The peer is the plain way with
pandas: two loops over rows, `frame.iloc[row]`. The third side is the same loops over plain lists, as somebody writes who knows what `iloc` costs; nothing is asked of it.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from harness import Benchmark, Row, Side, Timed, agree

OURS, ROWS, LISTS = "label_bars", "pandas row loop", "the same loop over lists"


def one_class(bought: int, sold: int, buy_end: int, sell_end: int, opened_above: bool) -> int:
    """The row's one class from both sides' outcomes: 1 target, 2 stop, 0 open."""
    if bought == 1:
        return 1
    if sold == 1:
        return 3
    if bought == 2 and sold == 2:
        return 4 if sell_end < buy_end or (sell_end == buy_end and opened_above) else 2
    return 0


def outcome(labels: Sequence[int]) -> dict[str, int]:
    """How often each class, and a number that changes when two labels change places."""
    counts = {f"class_{one}": sum(1 for label in labels if label == one) for one in range(5)}
    return counts | {"order": sum(place * int(label) for place, label in enumerate(labels)) % 1_000_003}


def timed(label: Callable[[], Any]) -> Callable[[], Timed]:
    """The labelling is timed, looking at its labels is not."""
    import time

    def run() -> Timed:
        start = time.perf_counter()
        labels = label()
        seconds = time.perf_counter() - start
        return Timed(seconds, outcome(list(map(int, labels))))

    return run


def ours(size: int) -> Callable[[], Any]:
    """`label_bars`, the average true range included."""
    import numpy as np
    from algobot.market.bars import Bars
    from algobot.market.labels import label_bars
    from markets import market

    times = np.datetime64("2000-01-01", "ns") + np.arange(size) * np.timedelta64(1, "m")
    bars = Bars("WALK", "1m", times, **market(size))
    return timed(lambda: np.asarray(label_bars(bars).label))


def with_rows(size: int) -> Callable[[], Any]:
    """Two nested loops over the rows of a frame."""
    import pandas as pd
    import talib
    from markets import market

    frame = pd.DataFrame(market(size))

    def follow(row: int, stop: float, target: float, up: bool) -> tuple[int, int]:
        for ahead in range(row + 1, len(frame)):
            bar = frame.iloc[ahead]
            if (bar["open"] >= target) if up else (bar["open"] <= target):
                return 1, ahead
            if (bar["low"] <= stop) if up else (bar["high"] >= stop):
                return 2, ahead
            if (bar["high"] >= target) if up else (bar["low"] <= target):
                return 1, ahead
        return 0, len(frame) - 1

    def label() -> list[int]:
        frame["atr"] = talib.ATR(frame["high"].to_numpy(), frame["low"].to_numpy(), frame["close"].to_numpy(), timeperiod=14)
        labels = []
        for row in range(len(frame)):
            here = frame.iloc[row]
            close, atr = here["close"], here["atr"]
            if not atr > 0:
                labels.append(0)
                continue
            bought, buy_end = follow(row, close - atr, close + 2 * atr, True)
            sold, sell_end = follow(row, close + atr, close - 2 * atr, False)
            labels.append(one_class(bought, sold, buy_end, sell_end, frame.iloc[buy_end]["open"] > close))
        return labels

    return timed(label)


def with_lists(size: int) -> Callable[[], Any]:
    """The same over lists of Python's numbers."""
    import talib
    from markets import market

    arrays = market(size)
    opens, highs, lows, closes = (arrays[name].tolist() for name in ("open", "high", "low", "close"))

    def follow(row: int, stop: float, target: float, up: bool) -> tuple[int, int]:
        for ahead in range(row + 1, size):
            if (opens[ahead] >= target) if up else (opens[ahead] <= target):
                return 1, ahead
            if (lows[ahead] <= stop) if up else (highs[ahead] >= stop):
                return 2, ahead
            if (highs[ahead] >= target) if up else (lows[ahead] <= target):
                return 1, ahead
        return 0, size - 1

    def label() -> list[int]:
        ranges, labels = talib.ATR(arrays["high"], arrays["low"], arrays["close"], timeperiod=14).tolist(), []
        for row, (close, atr) in enumerate(zip(closes, ranges, strict=True)):
            if not atr > 0:
                labels.append(0)
                continue
            bought, buy_end = follow(row, close - atr, close + 2 * atr, True)
            sold, sell_end = follow(row, close + atr, close - 2 * atr, False)
            labels.append(one_class(bought, sold, buy_end, sell_end, opens[buy_end] > close))
        return labels

    return timed(label)


def check(outcomes: dict[str, Any]) -> None:
    """Every label the same on all sides."""
    for key in ("order", *(f"class_{one}" for one in range(5))):
        agree(outcomes, key)


LABELS = Benchmark(
    name="labels", unit="bars/s", size=2_000, quick_size=500, check=check,
    sides=(Side(OURS, ours), Side(ROWS, with_rows), Side(LISTS, with_lists)),
    rows=(Row("labels", OURS, ROWS, 200), Row("labels-lists", OURS, LISTS)))

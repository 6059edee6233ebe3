"""Random-walk bars, the same in every environment (the checks compare their checksum)."""
from __future__ import annotations

import zlib

import numpy as np

SIGMA_PER_BAR = 1e-3   # of the close, about that of one-minute bars of a stock
SIGMA_GAP = 2e-4       # of the open against the close before, so that some bars gap through a stop
SIGMA_WICK = 4e-4      # of the part of a bar outside its open and close


def market(bars: int, seed: int = 0) -> dict[str, np.ndarray]:
    """`open`, `high`, `low`, `close`, `volume` of `bars` bars (float64, contiguous), starting at 100."""
    generator = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(generator.normal(0, SIGMA_PER_BAR, bars)))
    opening = np.concatenate([[100.0], close[:-1]]) * np.exp(generator.normal(0, SIGMA_GAP, bars))
    high = np.maximum(opening, close) * (1 + np.abs(generator.normal(0, SIGMA_WICK, bars)))
    low = np.minimum(opening, close) * (1 - np.abs(generator.normal(0, SIGMA_WICK, bars)))
    return {"open": opening, "high": high, "low": low, "close": close, "volume": generator.lognormal(10, 1, bars)}


def checksum(bars: dict[str, np.ndarray]) -> int:
    """Of the prices to nine digits, so that two NumPy versions' last bits do not matter."""
    return zlib.crc32(np.round(np.stack([bars[name] for name in ("open", "high", "low", "close")]), 9).tobytes())

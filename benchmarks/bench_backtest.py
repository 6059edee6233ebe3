"""One fixed strategy over a million bars: the accounting kernel against backtesting.py, vectorbt and a bare Numba loop.

Long only. When the mean of 10 closes crosses above that of 30, buy with all cash at that close, in fractions of a unit; when it
crosses below, sell at that close; 0.001 % of the traded value in fees on each side. "stop": also a trailing stop 0.5 % below the
highest price since entry, known from earlier bars only, filled at min(open, stop). Every side follows these rules to the letter,
so trades and final equity must agree, with and without the stop.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Benchmark, BenchmarkError, Row, Side, Timed, agree

FAST, SLOW = 10, 30
FEE = 1e-5               # of traded value, per side: a larger one eats the account within a million bars
TRAIL = 0.005
CASH = 1e4
# backtesting.py buys whole units: with this much cash a unit is 1e-10 of the account, and rounding is negligible.
WHOLE_UNIT_CASH = 1e12
LOWEST_SHARE = 0.2       # of the starting equity; below it a benchmark is about a dying account
TOLERANCE = 1e-7         # relative, of the final equity: the running sums of two libraries differ in their last bits
WHOLE_UNIT_TOLERANCE = 1e-6


def frame(size: int) -> tuple[Any, int]:
    """The bars as a pandas frame with a minute index, and their checksum."""
    import pandas as pd
    from markets import checksum, market

    bars = market(size)
    return pd.DataFrame(bars, index=pd.date_range("2000-01-01", periods=size, freq="min")), checksum(bars)


def arrays(size: int) -> tuple[list[Any], int]:
    """Open, high, low and close as arrays, and their checksum."""
    from markets import checksum, market

    bars = market(size)
    return [bars[name] for name in ("open", "high", "low", "close")], checksum(bars)


def outcome(trades: float, equity: float, lowest: float, cash: float, bars: int) -> dict[str, float]:
    """What the sides must agree on; equity as multiples of the starting cash."""
    return {"trades": int(trades), "equity": float(equity) / cash, "lowest_equity": float(lowest) / cash, "bars": bars}


# ---- backtesting.py ---------------------------------------------------------------------------------------------------------

def backtesting_py(size: int, stop: bool) -> Callable[[], Any]:
    """Its own event loop; the stop is its `trade.sl`, moved in `next()` as its documentation shows."""
    import backtesting
    import pandas as pd
    from backtesting import Backtest, Strategy
    from backtesting.lib import crossover

    backtesting.backtesting._tqdm = lambda sequence, **_: sequence  # no progress bar: it costs the peer time
    data, bars = frame(size)
    data = data.rename(columns=str.capitalize)

    def mean(values: Any, length: int) -> Any:
        return pd.Series(values).rolling(length).mean()

    class Cross(Strategy):
        def init(self) -> None:
            self.fast, self.slow = self.I(mean, self.data.Close, FAST), self.I(mean, self.data.Close, SLOW)

        def next(self) -> None:
            if crossover(self.fast, self.slow):
                self.buy()
            elif crossover(self.slow, self.fast):
                self.position.close()

    class CrossStop(Cross):
        highest = 0.0

        def next(self) -> None:
            if self.trades:
                high = self.data.High[-1]
                if high > self.highest:
                    self.highest = high
                    self.trades[0].sl = high * (1 - TRAIL)
            if crossover(self.fast, self.slow):
                self.highest = close = self.data.Close[-1]
                self.buy(sl=close * (1 - TRAIL))
            elif crossover(self.slow, self.fast):
                self.position.close()

    def run() -> dict[str, float]:
        statistics = Backtest(data, CrossStop if stop else Cross, cash=WHOLE_UNIT_CASH, commission=FEE, trade_on_close=True).run()
        open_trades = len(statistics["_strategy"].trades)
        return outcome(statistics["# Trades"] + open_trades, statistics["Equity Final [$]"], statistics["_equity_curve"].Equity.min(),
                       WHOLE_UNIT_CASH, bars)

    return run


# ---- vectorbt ---------------------------------------------------------------------------------------------------------------

def vectorbt(size: int, stop: bool, engine: str, whole: bool) -> Callable[[], Any]:
    """The whole pipeline (means, crossings, `from_signals`, equity curve, drawdown), or `from_signals` alone."""
    import time

    import vectorbt as vbt

    vbt.settings["engine"] = engine
    vbt.settings.array_wrapper["freq"] = "1min"
    data, bars = frame(size)
    options = {"sl_stop": TRAIL, "sl_trail": True, "open": data.open, "high": data.high, "low": data.low} if stop else {}

    def run() -> Timed:
        start = time.perf_counter()
        fast, slow = vbt.MA.run(data.close, FAST), vbt.MA.run(data.close, SLOW)
        entries, exits = fast.ma_crossed_above(slow), fast.ma_crossed_below(slow)
        signals_known = time.perf_counter()
        portfolio = vbt.Portfolio.from_signals(data.close, entries, exits, fees=FEE, init_cash=CASH, **options)
        simulated = time.perf_counter()
        value = portfolio.value()
        portfolio.max_drawdown()
        end = time.perf_counter()
        seconds = end - start if whole else simulated - signals_known
        return Timed(seconds, outcome(portfolio.trades.count(), value.iloc[-1], value.min(), CASH, bars))

    return run


# ---- a bare Numba loop ------------------------------------------------------------------------------------------------------

def bare_loop(size: int, stop: bool) -> Callable[[], Any]:
    """The least that does the job: these rules and no others, everything in local variables. The limit for any kernel."""
    import numpy as np
    from numba import njit

    @njit(error_model="numpy")
    def simulate(opens, highs, lows, closes, fee, trail, cash, equity):  # type: ignore[no-untyped-def]
        bars = closes.shape[0]
        fast_sum = slow_sum = quantity = best = deepest = 0.0
        trades = 0
        peak, above_before = cash, False
        for i in range(bars):
            close = closes[i]
            fast_sum += close
            slow_sum += close
            if i >= FAST:
                fast_sum -= closes[i - FAST]
            if i >= SLOW:
                slow_sum -= closes[i - SLOW]
            above = fast_sum * SLOW > slow_sum * FAST  # the means compared, without dividing
            if quantity > 0.0 and trail > 0.0:
                level = best * (1 - trail)
                if lows[i] <= level:
                    cash = quantity * min(opens[i], level) * (1 - fee)
                    quantity = 0.0
                else:
                    best = max(best, highs[i])
            if i >= SLOW:
                if above and not above_before and quantity == 0.0:
                    quantity, cash, best = cash / (close * (1 + fee)), 0.0, close
                    trades += 1
                elif above_before and not above and quantity > 0.0:
                    cash, quantity = quantity * close * (1 - fee), 0.0
            if i >= SLOW - 1:
                above_before = above
            now = cash + quantity * close
            equity[i] = now
            peak = max(peak, now)
            deepest = max(deepest, 1 - now / peak)
        return trades, deepest

    prices, bars = arrays(size)

    def run() -> dict[str, float]:
        equity = np.empty(size)
        trades, _ = simulate(*prices, FEE, TRAIL if stop else 0.0, CASH, equity)
        return outcome(trades, equity[-1], equity.min(), CASH, bars)

    return run


# ---- algobot ----------------------------------------------------------------------------------------------------------------

def algobot(size: int, stop: bool) -> Callable[[], Any]:
    """The kernel that every face of algobot uses, called bar by bar, with means and crossings worked out on the way."""
    import numpy as np
    from numba import njit

    from algobot.market.instruments import Instrument, InstrumentType
    from algobot.simulation.engine import Direction, EngineSettings, advance_bar, fill_order, make_rules, mark, new_accounts

    long, close_all = int(Direction.LONG), int(Direction.CLOSE)

    @njit(error_model="numpy")
    def simulate(opens, highs, lows, closes, accounts, rules, equity):  # type: ignore[no-untyped-def]
        account, rule = accounts[0], rules[0]
        fast_sum = slow_sum = deepest = 0.0
        above_before = False
        for i in range(closes.shape[0]):
            close = closes[i]
            fast_sum += close
            slow_sum += close
            if i >= FAST:
                fast_sum -= closes[i - FAST]
            if i >= SLOW:
                slow_sum -= closes[i - SLOW]
            above = fast_sum * SLOW > slow_sum * FAST  # the means compared, without dividing
            advance_bar(account, rule, opens[i], highs[i], lows[i], close, 0.0)
            if i >= SLOW:
                if above and not above_before and account.quantity == 0.0:
                    fill_order(account, rule, long, np.inf, close, 0.0)
                    mark(account, rule, close)
                elif above_before and not above and account.quantity > 0.0:
                    fill_order(account, rule, close_all, 0.0, close, 0.0)
                    mark(account, rule, close)
            if i >= SLOW - 1:
                above_before = above
            equity[i] = account.equity
            deepest = max(deepest, account.drawdown)
        return deepest

    prices, bars = arrays(size)
    instrument = Instrument(symbol="WALK", type=InstrumentType.STOCK, lot_size=1, tick_size=0.01)
    rules = make_rules(instrument, EngineSettings(initial_capital=CASH, brokerage=0.0, commission_rate=FEE, trail_atr_multiple=0.0,
                                                  trail_fraction=TRAIL if stop else 0.0, exit_on_trailing_stop=stop))

    def run() -> dict[str, float]:
        accounts, equity = new_accounts(1, CASH), np.empty(size)
        simulate(*prices, accounts, rules, equity)
        trades = accounts[0]["trade_count"] + (accounts[0]["quantity"] != 0.0)  # exits, and the position still open
        return outcome(trades, equity[-1], equity.min(), CASH, bars)

    return run


def check(outcomes: dict[str, Any]) -> None:
    """The same bars, the same number of trades, the same final equity, and no account near ruin."""
    agree(outcomes, "bars")
    agree(outcomes, "trades")
    agree({name: one for name, one in outcomes.items() if name != "backtesting.py"}, "equity", TOLERANCE)
    agree(outcomes, "equity", WHOLE_UNIT_TOLERANCE)
    for name, one in outcomes.items():
        if not one["lowest_equity"] > LOWEST_SHARE:
            raise BenchmarkError(f"{name}: equity fell to {one['lowest_equity']:.2g} of its start: an account near ruin stops trading")


def backtest(name: str, stop: bool) -> Benchmark:
    """The benchmark with or without the trailing stop; the issue's targets are with it."""
    rows = (
        Row(f"{name}-backtesting.py", "algobot", "backtesting.py", target=1000.0 if stop else None),
        Row(f"{name}-vectorbt", "algobot", "vectorbt", target=25.0 if stop else None, note="whole pipeline, engine numba (what pip install vectorbt gives)"),
        Row(f"{name}-vectorbt-from-signals", "algobot", "vectorbt from_signals", target=8.0 if stop else None, note="ours: everything; peer: from_signals alone"),
        Row(f"{name}-vectorbt-rust", "algobot", "vectorbt rust", note="whole pipeline, with the optional vectorbt-rust"),
        Row(f"{name}-vectorbt-rust-from-signals", "algobot", "vectorbt rust from_signals", note="ours: everything; peer: from_signals alone"),
        Row(f"{name}-bare-loop", "algobot", "bare Numba loop", target=0.7 if stop else None, note="the limit: these rules and no others"),
    )
    return Benchmark(
        name=name, unit="bars/s", size=1_000_000, quick_size=100_000, check=check, rows=rows,
        sides=(
            Side("algobot", lambda size: algobot(size, stop)),
            Side("bare Numba loop", lambda size: bare_loop(size, stop)),
            Side("vectorbt", lambda size: vectorbt(size, stop, "numba", whole=True), "peers"),
            Side("vectorbt from_signals", lambda size: vectorbt(size, stop, "numba", whole=False), "peers"),
            Side("vectorbt rust", lambda size: vectorbt(size, stop, "rust", whole=True), "peers"),
            Side("vectorbt rust from_signals", lambda size: vectorbt(size, stop, "rust", whole=False), "peers"),
            Side("backtesting.py", lambda size: backtesting_py(size, stop), "peers"),
        ),
    )


WITH_STOP = backtest("backtest", stop=True)
WITHOUT_STOP = backtest("backtest-no-stop", stop=False)

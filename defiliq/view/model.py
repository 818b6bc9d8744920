"""Clusters, magnets and vacuums on a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from defiliq.model.contagion import critical_clusters, strongest_paths
from defiliq.view.heat_rows import counted
from defiliq.view.terminal import clean, in_words, print_lines, print_rows

if TYPE_CHECKING:
    import networkx as nx

    from defiliq.model.contagion import Place
    from defiliq.model.heat import Heat

SHOWN, PATHS = 20, 3
"""So many edges, and so many paths and critical clusters, are shown."""
_CLUSTERS = (
    *("price_usd", "distance_pct", "type", "magnitude_usd", "share_pct", "impact_pct", "accounts"),
    *("low_usd", "high_usd"),
)
_VACUUMS = ("low_usd", "high_usd", "width_pct", "inside_usd", "below_usd", "above_usd", "holds_spot")
_SHARES = ("share_pct", "impact_pct", "width_pct")
_PRICES = ("price_usd", "low_usd", "high_usd", "below_usd", "above_usd")


def print_clusters(table: pd.DataFrame) -> None:
    """Clusters, largest first."""
    if table.empty:
        print_lines(["no clusters: nothing stands out within the window"])
        return
    # Nobody knows how many accounts stand behind an estimate.
    is_told = {"impact_pct": table["impact_pct"].notna().any(), "accounts": (table["accounts"] > 0).any()}
    columns = [name for name in _CLUSTERS if is_told.get(name, True)]
    print_rows(_priced(table), f"clusters along {_along(table)}", columns)


def print_contagion(graph: nx.DiGraph[Place], heat: Heat, table: pd.DataFrame) -> None:
    """Edges, the strongest first, and the clusters that most hangs on."""
    if table.empty:
        print_lines(["no cluster's trades reach another cluster"])
        return
    shown = table.sort_values("volume_usd", ascending=False, kind="stable").head(SHOWN)
    ends = {
        end: [_place(row[f"{end}_driver"], row[f"{end}_price_usd"]) for _, row in shown.iterrows()]
        for end in ("from", "to")
    }
    left = len(table) - len(shown)
    title = "what a cluster's trades reach" + (f" ({left} weaker ones are not shown)" if left else "")
    print_rows(_priced(shown.assign(**ends)), title, ("from", "to", "volume_usd", "share_pct", "runs_dry"))
    print_lines([""])
    for path in strongest_paths(graph, PATHS):
        ways = " > ".join(_place(place.driver, place.price_usd) for place in path.places)
        print_lines([f"strong path  {ways}: {in_words(path.volume_usd, heat.base_symbol)} all the way"])
    for each in critical_clusters(graph)[:PATHS]:
        if each.reached:
            size, downstream = (
                in_words(usd, heat.base_symbol) for usd in (each.size_usd, each.downstream_usd)
            )
            at = _place(each.place.driver, each.place.price_usd)
            print_lines(
                [f"critical     {at}: {size}, reaches {counted(each.reached, 'cluster')}, {downstream}"]
            )


def _place(driver: str, price: float) -> str:
    return f"{clean(driver)} {_price(price)}"


def print_vacuums(table: pd.DataFrame) -> None:
    """Stretches in which little breaks, between two clusters."""
    if table.empty:
        print_lines(["no vacuum: no stretch between two clusters is empty enough"])
        return
    print_rows(_priced(table), f"vacuums along {_along(table)}", _VACUUMS)


def print_magnet(table: pd.DataFrame) -> None:
    """What pulls, in a few lines."""
    row = table.iloc[0]
    base = str(row["base_symbol"])
    label = str(row["magnet"]).replace("_", " ") or "none: clusters are needed on both sides"
    lines = [f"along {_along(table)}", f"magnet            {label}"]
    for name in ("above", "below"):
        if math.isnan(row[f"{name}_usd"]):
            lines.append(f"nearest {name}     none")
        else:
            away = 100 * (row[f"{name}_usd"] / row["spot_usd"] - 1)
            size = in_words(row[f"{name}_magnitude_usd"], base)
            lines.append(f"nearest {name}     {_price(row[f'{name}_usd'])} ({away:+.2f}%), {size}")
    pull = f"up {in_words(row['pull_up_usd'], base)}, down {in_words(row['pull_down_usd'], base)}"
    lines.append(f"pull              {pull}, a dollar's falling to 1/e over {row['reach_pct']:g}%")
    imbalance = "none" if math.isnan(row["imbalance"]) else f"{row['imbalance']:+.2f} (-1 down, +1 up)"
    lines.append(f"imbalance         {imbalance}")
    for name in ("downside", "upside"):
        gap = row[f"{name}_gap_pct"]
        between = "" if math.isnan(gap) else f", {gap:.2f}% between the two that are closest"
        count = int(row[f"{name}_clusters"])
        lines.append(
            f"{f'{name} risk':<18}{row[f'{name}_risk']}: {count} cluster{'' if count == 1 else 's'}{between}"
        )
    print_lines(lines)


def _along(table: pd.DataFrame) -> str:
    row = table.iloc[0]
    return f"{clean(row['driver'])}, spot {_price(row['spot_usd'])}"


def _price(price: float) -> str:
    return f"{price:,.8g}" if price < 1 else f"{price:,.2f}"


def _priced(table: pd.DataFrame) -> pd.DataFrame:
    """Prices as texts, which are the driver's and not money of the market, and percentages without a sign."""
    shown = {name: [_price(price) for price in table[name]] for name in _PRICES if name in table}
    shares = {
        name: ["" if math.isnan(pct) else f"{pct:.2f}%" for pct in table[name]]
        for name in _SHARES
        if name in table
    }
    return table.assign(**shown, **shares)

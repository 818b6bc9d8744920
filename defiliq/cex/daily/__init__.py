"""Real days of one venue, bundled as changes and ratios: what estimates are held against. `about.json` says
where they are from.
"""

from defiliq.cex.daily.days import DAY_S, HIGHS_UNKNOWN, WICKS, Days, Wicks, daily_assets, load_days

__all__ = ["DAY_S", "HIGHS_UNKNOWN", "WICKS", "Days", "Wicks", "daily_assets", "load_days"]

"""The chain beside exchanges, in one piece: the comparison, what speaks for its levels, and the phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from defiliq.cex.compare import Comparison
from defiliq.cex.confirm import Signal, cluster_signal, confirm, magnet_signal
from defiliq.cex.differences import differences_of
from defiliq.cex.history import VenueData
from defiliq.cex.levels import Estimate
from defiliq.cex.parties import Party
from defiliq.cex.phase import Phase, phase, phase_together
from defiliq.model.clusters import find_clusters
from defiliq.model.heat import SIDES
from defiliq.model.magnet import find_magnet
from defiliq.pipeline.exchanges import Assumptions, over_time_of
from defiliq.view.cex_beside import Beside

ON_CHAIN = "dydx"
"""The exchange whose positions are public, which the others are set beside."""


def beside(
    comparison: Comparison,
    estimates: Sequence[Estimate],
    data: Sequence[VenueData],
    assumptions: Assumptions | None = None,
    *,
    with_over_time: bool = False,
) -> Beside:
    """A comparison with confirmations of its signals, phases, and how the venues differ.

    `data` are what the estimates were made of. `with_over_time` adds each contract's way there, which takes
    another walk through its history.
    """
    estimated = {one.instrument for one in estimates}
    used = [one for one in data if one.history.instrument in estimated]
    ways = [over_time_of(one.history, assumptions) for one in used] if with_over_time else []
    venues = list(dict.fromkeys(one.history.instrument.venue for one in used))
    return Beside(
        comparison,
        estimates=tuple(estimates),
        over_time=tuple(ways),
        clusters={
            f"{one.instrument.venue} {one.instrument.symbol}": find_clusters(
                one.heat(), within_pct=comparison.axis.within_pct
            )
            for one in estimates
        },
        confirmations=tuple(confirm(signal, used, comparison) for signal in signals_of(comparison)),
        phases=phases_of(used),
        differences=differences_of([*venues, ON_CHAIN]),
    )


def phases_of(data: Sequence[VenueData]) -> tuple[Phase, ...]:
    """The phase of each contract, and of all together where there are several."""
    histories = [one.history for one in data]
    each = [phase(history) for history in histories]
    return (*each, phase_together(histories)) if len(each) > 1 else tuple(each)


def signals_of(comparison: Comparison) -> list[Signal]:
    """What somebody might act on: the magnet and the largest cluster of each side, of the chain and of all
    venues together; each level once.
    """
    parties = (comparison.chain, comparison.estimated)
    found = (signal for party in parties if party is not None for signal in _signals(party))
    return list(dict.fromkeys(found))


def _signals(party: Party) -> Iterator[Signal]:
    magnet = magnet_signal(party.name, find_magnet(party.heat, party.clusters))
    if magnet is not None:
        yield magnet
    for side in SIDES:
        largest = next((cluster for cluster in party.clusters if cluster.type == side), None)
        if largest is not None:
            yield cluster_signal(party.name, largest)

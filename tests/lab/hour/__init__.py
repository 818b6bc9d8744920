"""A scripted hour on the Aave lab: prices, people, governance and a bot, and the truth about all of it."""

from tests.lab.hour.hunter import broken, survey
from tests.lab.hour.script import Hour
from tests.lab.hour.stage import Stage, set_stage
from tests.lab.hour.truth import Block, Change, Sent, Taken, Truth

__all__ = ["Block", "Change", "Hour", "Sent", "Stage", "Taken", "Truth", "broken", "set_stage", "survey"]

"""Configuration. Nothing else parses it."""

from sensorium.config.encoders import ENCODERS
from sensorium.config.ensemble import Ensemble, Member, member_config
from sensorium.config.fusions import FUSIONS
from sensorium.config.inputs import INPUTS
from sensorium.config.options import (
    Balance,
    Config,
    Domain,
    Imbalance,
    Pretraining,
    Privacy,
    Target,
    TextTarget,
    Training,
)
from sensorium.config.parse import SHORT, dump_config, parse_config, read_config, set_value

__all__ = [
    "ENCODERS",
    "FUSIONS",
    "INPUTS",
    "SHORT",
    "Balance",
    "Config",
    "Domain",
    "Ensemble",
    "Imbalance",
    "Member",
    "Pretraining",
    "Privacy",
    "Target",
    "TextTarget",
    "Training",
    "dump_config",
    "member_config",
    "parse_config",
    "read_config",
    "set_value",
]

"""Configuration. Nothing else parses it."""

from sensorium.config.encoders import ENCODERS
from sensorium.config.fusions import FUSIONS
from sensorium.config.inputs import INPUTS
from sensorium.config.options import Balance, Config, Domain, Imbalance, Pretraining, Target, TextTarget, Training
from sensorium.config.parse import SHORT, dump_config, parse_config, read_config, set_value

__all__ = [
    "ENCODERS",
    "FUSIONS",
    "INPUTS",
    "SHORT",
    "Balance",
    "Config",
    "Domain",
    "Imbalance",
    "Pretraining",
    "Target",
    "TextTarget",
    "Training",
    "dump_config",
    "parse_config",
    "read_config",
    "set_value",
]

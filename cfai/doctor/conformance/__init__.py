"""Ask the service what no page of Cloudflare's settles: one small call for each fact, and what came of it."""

from cfai.doctor.conformance._exchanges import Keeper
from cfai.doctor.conformance._facts import FACTS, Fact, conform, cost
from cfai.doctor.conformance._recordings import Recordings

__all__ = ["FACTS", "Fact", "Keeper", "Recordings", "conform", "cost"]

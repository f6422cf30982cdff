"""Ask the service for the facts that no page of Cloudflare's settles: one small call for each."""

from cfai.doctor.conformance._exchanges import ExchangeSink
from cfai.doctor.conformance._facts import FACTS, Fact, conform, estimate_cost

__all__ = ["FACTS", "ExchangeSink", "Fact", "conform", "estimate_cost"]

"""Health checks of this machine's way to the service, and questions to the service itself.

```python
from cfai.doctor import examine

for finding in examine():
    print(finding)
```

On the command line: `cfai doctor`, and `cfai doctor --conformance` for the facts that no page settles.
"""

from cfai.doctor._finding import Finding
from cfai.doctor._health import CHECKS, Check, examine
from cfai.doctor.conformance import FACTS, ExchangeSink, Fact, conform, estimate_cost

__all__ = [
    "CHECKS",
    "FACTS",
    "Check",
    "ExchangeSink",
    "Fact",
    "Finding",
    "conform",
    "estimate_cost",
    "examine",
]

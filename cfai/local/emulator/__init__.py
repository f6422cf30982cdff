"""A Workers AI on this machine: a real HTTP server that answers as the service does, with faults on demand.

```python
from cfai.local import Emulator, Fault

with Emulator() as local:
    ai = local.ai()
    local.script(503, "rate-limited", "ok")
    print(ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "where is new york?"}))
```

On the command line: `cfai dev --port 8787`. Needs `pip install "cfai-sdk[emulator]"`.
"""

from cfai.local.emulator._engine import Engine
from cfai.local.emulator._request_log import RecordedRequest
from cfai.local.emulator._server import Emulator
from cfai.local.faults import Fault

for _public in (Emulator, Engine, RecordedRequest):
    _public.__module__ = "cfai.local"

__all__ = ["Emulator", "Engine", "Fault", "RecordedRequest"]

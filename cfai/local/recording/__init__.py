"""Record what a Workers AI answered into files, and play it back, without the account and without its cost.

```python
from cfai.local import Player, Recorder

with Recorder("recordings") as local:  # in front of the real service, with the credentials of the environment
    print(local.ai().run("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello"}))

with Player("recordings") as local:
    print(local.ai().run("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello"}))
```

On the command line: `cfai dev --record DIR`, `cfai dev --replay DIR`. Needs the extra `emulator`.
"""

from inspect import get_annotations

from cfai.local.recording._application import RecordingError
from cfai.local.recording._exchange import ACCOUNT_PATH, Exchange, RawExchange, parse_request
from cfai.local.recording._files import RecordingWriter
from cfai.local.recording._match import RecordedExchanges
from cfai.local.recording._player import Player
from cfai.local.recording._recorder import Recorder
from cfai.local.recording._redact import Redactor

for _public in (Exchange, Player, Recorder, RecordingWriter):
    _public.__annotations__ = get_annotations(_public, eval_str=True)  # their names are those of their own module
    _public.__module__ = "cfai.local"

__all__ = [
    "ACCOUNT_PATH",
    "Exchange",
    "Player",
    "RawExchange",
    "RecordedExchanges",
    "Recorder",
    "RecordingError",
    "RecordingWriter",
    "Redactor",
    "parse_request",
]

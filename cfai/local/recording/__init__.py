"""Record what a Workers AI answered into files, and play it back, without the account and without its cost.

```python
from cfai.local.recording import Player, Recorder

with Recorder("recordings") as local:  # in front of the real service, with the credentials of the environment
    print(local.ai().run("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello"}))

with Player("recordings") as local:
    print(local.ai().run("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello"}))
```

On the command line: `cfai dev --record DIR`, `cfai dev --replay DIR`. Needs `pip install "cfai-sdk[emulator]"`.
"""

from cfai.local.recording._player import Player
from cfai.local.recording._recorder import Recorder

for _public in (Player, Recorder):
    _public.__module__ = __name__

__all__ = ["Player", "Recorder"]

"""Real answers on this machine: models that run here, under Workers AI's names and in its wire format.

```python
from cfai.local import Emulator, OpenAIUpstream

with Emulator(engine=OpenAIUpstream("http://127.0.0.1:11434/v1")) as local, local.ai() as ai:
    print(ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "Where is New York?"}))
```

`OpenAIUpstream` asks any server that speaks OpenAI's API: Ollama, llama.cpp, vLLM. `LlamaCpp` runs a GGUF file in this
process and needs the extra `llama`. `load_small_model` is such an engine without a file of one's own.
"""

from typing import TYPE_CHECKING

from cfai._lazy import lazy_exports

if TYPE_CHECKING:
    from cfai.local.engines._llama import LlamaCpp
    from cfai.local.engines._small_model import SMALL_MODEL, PackagedModel, fetch_model, load_small_model
    from cfai.local.engines._upstream import OpenAIUpstream

__all__ = ["SMALL_MODEL", "LlamaCpp", "OpenAIUpstream", "PackagedModel", "fetch_model", "load_small_model"]

# Each by itself: the command line has a model loading while it imports the rest.
__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "_llama": ("LlamaCpp",),
        "_small_model": ("SMALL_MODEL", "PackagedModel", "fetch_model", "load_small_model"),
        "_upstream": ("OpenAIUpstream",),
    },
)

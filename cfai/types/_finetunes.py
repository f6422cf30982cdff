"""Fine-tunes of models: LoRA adapters of the account, and those for all."""

from __future__ import annotations

from cfai.types._output import Output, TextField


class Finetune(Output):
    """A LoRA adapter. Fields: https://developers.cloudflare.com/api/resources/ai/subresources/finetunes."""

    id: TextField = ""
    """The service's own id for it; `lora=` takes it, or the name."""
    name: TextField = ""
    """The name that it was given; those for all begin with `cf-public-`."""
    model: TextField = ""
    """The model that it was trained for, which alone runs it."""
    description: str | None = None
    """What it is for."""
    public: bool | None = None
    """True if all accounts may run it."""
    created_at: str | None = None
    """When it was made, such as `2024-04-01T10:00:00.000Z`."""
    modified_at: str | None = None
    """When it was changed last."""

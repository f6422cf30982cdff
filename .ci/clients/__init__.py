"""Other people's clients against the emulator, unchanged: `python .ci/clients [name ...]`."""

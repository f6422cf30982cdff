"""Other people's clients against the emulator, unchanged: `python -m tests.clients [name ...]`."""

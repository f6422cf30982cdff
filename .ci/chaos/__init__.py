"""A server that misbehaves by seed, and callers that know the right answer of each call: `python .ci/chaos`."""

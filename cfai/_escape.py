"""Characters that act on a terminal instead of being shown, made visible.

They write the clipboard (`ESC ] 52`), set the title, move the cursor, or show text in another order than it has; a
model or a service may send any of them.
"""

from __future__ import annotations

import re

# C0 and C1 but newline and tab, the embeddings, overrides and isolates of the bidirectional algorithm, which reorder
# what stands around them, halves of surrogate pairs, and tags, which hide a second text inside the first. Joiners and
# marks stay: emoji, Persian and Hebrew are written with them.
_CONTROL = "[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]"


def escape_controls(text: str) -> str:
    r"""Return `text` with its control characters as escapes; newlines and tabs stay.

    >>> escape_controls("\x1b]0;title\x07 caf\u00e9 \u202e")
    '\\x1b]0;title\\x07 café \\u202e'
    """
    return re.sub(_CONTROL, lambda match: match[0].encode("unicode_escape").decode(), text)

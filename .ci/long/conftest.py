"""What these tests share with those of the gate."""

from tests.conftest import _nothing_from_outside as _nothing_from_outside  # pyright: ignore[reportPrivateUsage]
from tests.conftest import _programs_hear_ctrl_c as _programs_hear_ctrl_c  # pyright: ignore[reportPrivateUsage]
from tests.tokens.conftest import samples as samples

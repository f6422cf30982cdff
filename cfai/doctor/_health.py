"""The table of checks, and the walk through it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from cfai.doctor import _machine, _service
from cfai.doctor._finding import Finding, warning
from cfai.doctor._installation import Installation


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at. To add one, write a function that looks, and put it into `CHECKS`."""

    name: str
    look: Callable[[Installation], Finding]
    needs: tuple[str, ...] = ()
    """Earlier checks without whose success there is nothing to see."""


CHECKS: tuple[Check, ...] = (
    Check("versions", _machine.versions),
    Check("extras", _machine.extras),
    Check("address", _machine.address),
    Check("token", _machine.token, needs=("address",)),
    Check("account id", _machine.account_id, needs=("address",)),
    Check("proxy", _machine.proxy, needs=("address",)),
    Check("certificates", _machine.certificates, needs=("address",)),
    Check("connection", _service.connection, needs=("address",)),
    Check("clock", _service.clock, needs=("connection",)),
    Check("may read", _service.may_read, needs=("connection", "token", "account id")),
    Check("models", _service.listed, needs=("connection", "may read")),
    Check("may run", _service.may_run, needs=("connection", "token", "account id")),
)


def examine(*, timeout: float = 5.0, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Looks at this installation, its environment and its way to the service: a finding for each of `CHECKS`, at once.

    ```python
    for finding in examine():
        print(finding)
    ```

    No credential is in any of them, nor the account id. `timeout` is in seconds, for each wait; `now` is the clock that
    is looked at, in seconds since 1970. One call is made that costs a hundredth of a neuron.
    """
    patient = Installation(timeout, now)
    bad: set[str] = set()
    for check in CHECKS:
        missing = [name for name in check.needs if name in bad]
        found = warning(f"not looked at: first mend {', '.join(missing)}") if missing else check.look(patient)
        if missing or found.verdict == "problem":
            bad.add(check.name)
        says, remedy = patient.without_secrets(found.says), patient.without_secrets(found.remedy)
        yield replace(found, says=says, remedy=remedy, check=check.name)

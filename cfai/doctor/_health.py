"""The table of checks, and the walk through it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from cfai.doctor import _machine, _service
from cfai.doctor._finding import Finding, report_warning
from cfai.doctor._installation import Installation


@dataclass(frozen=True, slots=True)
class Check:
    """One check. To add one, write a function that returns a `Finding`, and put it into `CHECKS`."""

    name: str
    run: Callable[[Installation], Finding]
    needs: tuple[str, ...] = ()
    """Earlier checks without whose success there is nothing to see."""


CHECKS: tuple[Check, ...] = (
    Check("versions", _machine.check_versions),
    Check("extras", _machine.check_extras),
    Check("address", _machine.check_address),
    Check("token", _machine.check_token, needs=("address",)),
    Check("account id", _machine.check_account_id, needs=("address",)),
    Check("proxy", _machine.check_proxy, needs=("address",)),
    Check("certificates", _machine.check_certificates, needs=("address",)),
    Check("connection", _service.check_connection, needs=("address",)),
    Check("clock", _service.check_clock, needs=("connection",)),
    Check("may read", _service.check_may_read, needs=("connection", "token", "account id")),
    Check("models", _service.check_models, needs=("connection", "may read")),
    Check("may run", _service.check_may_run, needs=("connection", "token", "account id")),
)


def examine(*, timeout: float = 5.0, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Look at this installation, its environment and its way to the service: a finding for each of `CHECKS`, at once.

    ```python
    for finding in examine():
        print(finding)
    ```

    No credential is in any of them, nor the account id. `timeout` is in seconds, for each wait; `now` is the clock that
    is looked at, in seconds since 1970. One call is made that costs a hundredth of a neuron.
    """
    installation = Installation(timeout, now)
    bad: set[str] = set()
    for check in CHECKS:
        missing = [name for name in check.needs if name in bad]
        finding = (
            report_warning(f"not looked at: first mend {', '.join(missing)}") if missing else check.run(installation)
        )
        if missing or finding.verdict == "problem":
            bad.add(check.name)
        message, remedy = installation.redact(finding.message), installation.redact(finding.remedy)
        yield replace(finding, message=message, remedy=remedy, check=check.name)

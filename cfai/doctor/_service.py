"""Checks that ask the service: the connection, the clock, and the permissions of the token."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import urlsplit

from cfai import APIConnectionError, CfaiError, InternalServerError, RateLimitError, models
from cfai._json import is_mapping
from cfai.doctor._finding import NEW_TOKEN_REMEDY, Finding, report_ok, report_problem, report_warning
from cfai.doctor._installation import CHEAPEST_MODEL, FETCH_ERRORS, Installation, ServiceResponse

_MAX_DRIFT_SECONDS = 60.0
"""Seconds by which a clock may be off."""

_MAX_PAGES = 20
_NO_ROUTE = (7000, 7001)
_CERTIFICATE = {
    9: "is not valid yet: is the clock of this machine right?",
    10: "has expired",
    62: "is for another host",
    64: "is for another host",
}
"""Faults of a certificate, by the number that OpenSSL gives them."""


def check_connection(installation: Installation) -> Finding:
    """Check that the service answers, and nobody in its place."""
    try:
        answer = installation.get_first_response()
    except FETCH_ERRORS as error:
        return _explain_no_answer(error, installation)
    summary = f"{installation.host} answers" + (f" ({answer.tls})" if answer.tls else "")
    if answer.status in range(300, 400):
        host = urlsplit(answer.headers.get("location", "")).hostname or "another address"
        return report_problem(
            f"{summary} with a redirect to {host}", "log in to this network, or correct the base URL: cfai follows none"
        )
    if answer.is_html:
        origin = "Cloudflare" if "cf-ray" in answer.headers and answer.status >= 520 else "a proxy or a login page"
        remedy = "see cloudflarestatus.com" if origin == "Cloudflare" else "log in to this network, or ask who runs it"
        return report_problem(
            f"{summary} with an HTML page, status {answer.status}: that is {origin}, not the API", remedy
        )
    if not answer.whole:
        return report_problem(f"{summary}, and does not come to an end", "check the base URL and what stands between")
    if answer.status >= 500:
        return report_warning(f"{summary} with status {answer.status}", "try again later, and see cloudflarestatus.com")
    return report_ok(summary)


def check_clock(installation: Installation) -> Finding:
    """Check that the clock agrees with the service's. `Retry-After` and the daily allocation go by it."""
    answer = installation.get_first_response()
    try:
        server_time = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except ValueError:
        return report_warning("the answer has no date to compare with")
    off = answer.at - server_time
    if abs(off) <= _MAX_DRIFT_SECONDS:
        return report_ok(f"agrees with the server's to {_MAX_DRIFT_SECONDS:.0f} s")
    local_time = datetime.fromtimestamp(answer.at, UTC)
    return report_warning(
        f"{abs(off):.0f} s {'fast' if off > 0 else 'slow'}: it says {local_time:%Y-%m-%d %H:%M} UTC",
        "set it, best from the network (NTP): waits and the daily reset are reckoned by it",
    )


def check_may_read(installation: Installation) -> Finding:
    """Check that the token may list models: the permission Workers AI Read."""
    answer = installation.get_first_response()
    if answer.status == 200:
        return report_ok("GET …/ai/models/search was allowed")
    if answer.code in _NO_ROUTE or answer.status == 405:
        return report_ok(f"{installation.host} has no list of models to ask for")
    refusal = _explain_refusal(installation, answer.status, answer.code, "GET …/ai/models/search", "Read")
    return refusal or report_warning(f"GET …/ai/models/search failed: {installation.describe_error(answer)}")


def check_models(installation: Installation) -> Finding:
    """Report the models that the account can reach, compared with the catalogue."""
    if installation.get_first_response().status != 200:
        return report_warning("no list of models came")
    names: set[str] = set()
    for page in range(1, _MAX_PAGES + 1):
        try:
            listed = _list_names(installation.get(installation.build_models_path(page)))
        except FETCH_ERRORS as error:
            return report_warning(f"{len(names)} were listed before the list broke off ({type(error).__name__})")
        if listed <= names:
            break
        names |= listed
    if not names:
        return report_warning("the list of models is empty", "check that the account has Workers AI")
    live = {model.name for model in models.catalogue().values() if not model.retired_on}
    message = f"{len(names)} are listed, {len(names & live)} of the {len(live)} that cfai knows"
    return report_ok(f"{message}; new to it: {', '.join(sorted(names - live)[:5])}" if names - live else message)


def check_may_run(installation: Installation) -> Finding:
    """Check that the token may run a model: the permission Workers AI Edit. Costs a hundredth of a neuron."""
    try:
        with installation.make_client() as ai:
            ai.run(CHEAPEST_MODEL, {"text": "hello"})
    except RateLimitError as error:
        return report_warning(f"POST …/ai/run was allowed, and not run: {error}")
    except CfaiError as error:
        refused = _explain_refusal(installation, error.status_code or 0, error.code, "POST …/ai/run", "Edit")
        if refused:
            return refused
        is_transient = isinstance(error, InternalServerError | APIConnectionError)
        return (report_warning if is_transient else report_problem)(f"POST …/ai/run/{CHEAPEST_MODEL} failed: {error}")
    return report_ok(f"POST …/ai/run/{CHEAPEST_MODEL} gave an answer")


def _explain_refusal(
    installation: Installation, status: int, code: int | str | None, call: str, permission: str
) -> Finding | None:
    """Report why a call was refused, if it was for its credentials."""
    summary = f"{call} was refused ({status}{'' if code is None else f', code {code}'})"
    if code == 7003 or (status == 404 and code is None):
        return report_problem(
            f"{summary}: no such account",
            f"copy the account id from the dashboard's URL into {installation.account_name}",
        )
    if status not in (401, 403) or code not in (None, 1031, 9106, 9109, 10000, 10001):
        return None
    state = _get_token_state(installation)
    if state == "active":
        return report_problem(
            f"{summary}, though the token itself is active",
            f"give it Workers AI {permission} (a token needs Read and Edit) "
            f"for the account in {installation.account_name}",
        )
    if state == "unknown":
        remedy = f"check that {installation.token_name} holds the whole token, that it may use Workers AI Read and Edit"
        return report_problem(summary, f"{remedy}, and that the account in {installation.account_name} is its own")
    return report_problem(f"{summary}: the token is {state}", NEW_TOKEN_REMEDY.format(installation.token_name))


def _get_token_state(installation: Installation) -> str:
    """Return `active`, `disabled`, `expired`, `not valid`, or `unknown`, by the calls that tell."""
    known = True
    for path in ("/user/tokens/verify", installation.build_account_path("/tokens/verify")):
        try:
            answer = installation.get(path)
        except FETCH_ERRORS:
            return "unknown"
        state = answer.result.get("status") if is_mapping(answer.result) else None
        if answer.status == 200 and isinstance(state, str):
            return state
        known = known and answer.code not in _NO_ROUTE and not answer.is_html and answer.status < 500
    return "not valid" if known else "unknown"


def _list_names(answer: ServiceResponse) -> set[str]:
    result = answer.result if answer.status == 200 else None
    rows = cast("list[Any]", result) if isinstance(result, list) else []
    names = [row.get("name") for row in rows if is_mapping(row)]
    return {name for name in names if isinstance(name, str)}


def _explain_no_answer(error: Exception, installation: Installation) -> Finding:
    """Report why no answer came."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    host, wait = installation.host, f"{installation.timeout:g} s"
    for cause in _list_causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _explain_distrust(cause, host)
        if isinstance(cause, ssl.SSLError):
            return report_problem(
                f"{host}: TLS failed ({cause.reason or cause})",
                "check the port of the base URL and the proxy: do they speak TLS",
            )
        if isinstance(cause, socket.gaierror):
            remedy = "check the network and its DNS; behind a company's proxy, set HTTPS_PROXY"
            return report_problem(f"the name {host} cannot be resolved", remedy)
        if isinstance(cause, ConnectionRefusedError):
            start = "start it (cfai dev), or unset the base URL"
            remedy = start if installation.is_direct else "check the network, its firewall, and HTTPS_PROXY"
            return report_problem(f"nothing listens at {urlsplit(installation.base_url).netloc}", remedy)
    if "ProxyError" in kinds:
        return report_problem(
            f"the proxy refused ({error})", "check the login in HTTPS_PROXY, and whether it lets this host through"
        )
    if "ConnectTimeout" in kinds:
        remedy = "check the network and its firewall; behind a company's proxy, set HTTPS_PROXY"
        return report_problem(f"{host} could not be connected to in {wait}", remedy)
    if "TimeoutException" in kinds:
        remedy = "try again with --timeout 60, and check what stands between: a proxy, a firewall"
        return report_problem(f"{host} was connected to and did not answer in {wait}", remedy)
    reason = " ".join(str(error).split()) or type(error).__name__
    return report_problem(f"no answer came from {host} ({reason})", "check the network, the base URL and the proxy")


def _explain_distrust(error: ssl.SSLCertVerificationError, host: str) -> Finding:
    known = _CERTIFICATE.get(error.verify_code)
    if known:
        return report_problem(
            f"the certificate of {host} {known}", "set the clock if it is wrong; otherwise something stands in between"
        )
    return report_problem(
        f"the certificate of {host} is not trusted ({error.verify_message})",
        "if a company's proxy puts its own in between, set SSL_CERT_FILE to its authority's certificate, as PEM",
    )


def _list_causes(error: BaseException) -> list[BaseException]:
    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    return causes

"""One call: from inputs and options to what is sent, and from the answer to what is given back. Nothing waits here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from cfai import models, types
from cfai._credentials import Credentials
from cfai._errors import (
    APIResponseValidationError,
    CfaiError,
    LimitError,
)
from cfai._limits import check as _limits
from cfai._limits.policy import LimitPolicy, Seen
from cfai._request.build import Options, Request, build, model_path
from cfai._response.decoder import Decoder
from cfai._response.errors import redact_headers
from cfai._response.parse import (
    as_events,
    cut_by_default,
    holds_events,
    is_empty,
    kind_of,
    meta_from,
    output_from,
)
from cfai._streaming.body import Source
from cfai._transport.pool import ClientPool
from cfai._transport.send import Plan
from cfai._warnings import CutAnswerWarning, LimitWarning, RetiredModelWarning, Site
from cfai.types import Meta, Usage

if TYPE_CHECKING:
    from cfai._response.parse import AnyOutput
    from cfai.tokens import TokenCount


class AskAgain:
    """What an answer comes to when the model would not stream: the same call without streaming."""


class Call(NamedTuple):
    """One call, ready to be sent."""

    request: Request
    plan: Plan
    account: Credentials
    inputs: Mapping[str, Any]
    options: Options
    site: Site
    clients: ClientPool
    wants_stream: bool
    counts: TokenCount | None = None
    """The prompt's tokens; `None` if it is too short to have been looked at, or not only text."""

    @classmethod
    def of(
        cls,
        account: Credentials,
        model: str,
        inputs: Mapping[str, Any],
        options: Options,
        *,
        plan: Plan,
        rules: LimitPolicy,
        site: Site,
        clients: ClientPool,
    ) -> Call:
        """The call of `plain` inputs, with its limits checked. Raises what forbids it; warns of what does not."""
        model_path(model)
        _warn_of_retirement(model, site)
        given = _limits.resolve_max_tokens(model, inputs, rules)
        counts = _check_limits(model, given, rules, site) if rules.mode != "off" else None
        request = build(account, model, given, options)
        return cls(request, plan, account, given, options, site, clients, request.stream, counts)

    def unstreamed(self) -> Call:
        """The same call without streaming, its answer still wanted as a stream. It is paid for by one retry."""
        inputs = {**self.inputs, "stream": False}
        retry = replace(self.plan.retry, max_retries=self.plan.retry.max_retries - 1)
        request = build(self.account, self.request.model, inputs, self.options)
        return self._replace(request=request, plan=self.plan._replace(retry=retry), inputs=inputs)

    def learn(self, error: CfaiError) -> None:
        """Keeps the limit that a refusal of the service names, and completes the refusal by what the call asked for."""
        if isinstance(error, LimitError):
            learnt = self.clients.learnt.setdefault(self.request.model, {})
            _limits.learn(error, self.inputs, learnt, time.strftime("%Y-%m-%d"))

    def meta(self, status: int, headers: Mapping[str, str]) -> Meta:
        """What the headers of the answer say."""
        elapsed = time.monotonic() - self.plan.started
        return meta_from(headers, status, self.request.model, elapsed)

    def is_streamed(self, headers: Mapping[str, str]) -> bool:
        """Whether the body is to be iterated rather than read."""
        kind = kind_of(headers.get("content-type", ""))
        return kind == "events" or (kind == "text" and self.wants_stream)

    def source(self, response: httpx.Response, meta: Meta, body: bytes | None = None, output: Any = None) -> Source:
        """Where a stream reads from."""
        ended = self._stream_ended
        return Source(response, self.request, self.plan, meta, ended, self.learn, self.clients, body, output)

    def decoder(self, meta: Meta) -> Decoder:
        return Decoder(self.request.model, meta.request_id, self.request.secrets())

    def output(
        self, response: httpx.Response, headers: Mapping[str, str], content: bytes, meta: Meta
    ) -> AnyOutput | Source | AskAgain:
        """What a body that was read whole comes to. Raises the error that it reports."""
        content_type = headers.get("content-type", "")
        kind = kind_of(content_type)
        if (kind == "text" or self.wants_stream) and kind != "json" and holds_events(content):
            return self.source(response, meta, as_events(content, content_type))
        if not self.wants_stream or kind == "binary":
            output = output_from(content, content_type, meta, headers, self.request.secrets())
            if isinstance(output, types.TextOutput):
                self._ended(output.usage, output.finish_reason)
            return output
        if is_empty(content, content_type):
            if self.request.stream and self.plan.retry.max_retries > 0:
                return AskAgain()
            raise APIResponseValidationError(
                f"{meta.model} does not stream, and answered with an empty result: call it without stream",
                status_code=meta.status_code,
                request_id=meta.request_id,
                headers=redact_headers(headers, self.request.secrets()),
                model=meta.model,
            )
        output = output_from(content, content_type, meta, headers, self.request.secrets())
        return self.source(response, meta, as_events(content, content_type), output)

    def _stream_ended(self, decoder: Decoder) -> None:
        self._ended(decoder.usage, decoder.finish_reason)

    def _ended(self, usage: Usage | None, finish_reason: str | None) -> None:
        """Warns of an answer that the service's default cut, and learns from its usage how far the estimate was off."""
        counts, real = self.counts, usage.prompt_tokens if usage is not None else 0
        # What is beyond the certain bounds says nothing of this prompt.
        if counts is not None and counts.lower <= real <= counts.upper:
            seen = self.clients.seen.get(self.request.model, Seen())
            estimate = _limits.estimate(self.request.model, self.inputs)
            self.clients.seen[self.request.model] = seen.after(real, estimate)
        message = cut_by_default(self.request.model, self.inputs, usage, finish_reason)
        if message is not None:
            self.site.warn(message, CutAnswerWarning, self.request.model)


def _warn_of_retirement(model: str, site: Site) -> None:
    entry = models.get(model)
    if entry is not None and entry.retired_on is not None:
        instead = entry.replaced_by or entry.successor
        message = f"{model} was retired on {entry.retired_on}: use {instead}"
        site.warn(message, RetiredModelWarning, model, everywhere=True)


def _check_limits(model: str, inputs: Mapping[str, Any], rules: LimitPolicy, site: Site) -> TokenCount | None:
    """Raises or warns of what does not fit. The prompt's counts, if it was looked at and its estimate can be judged."""
    fit = _limits.check_long(model, inputs, rules)
    if fit is None:
        return None
    if fit.raises(rules.mode) and fit.error is not None:
        raise fit.error
    if fit.error is not None:
        site.warn(str(fit.error), LimitWarning, model)
    counts = fit.tokens
    # What images take is a guess, and what a tokenizer counted needs no correction.
    return counts if counts and counts.lower > 0 and not counts.images and counts.method == "estimator" else None

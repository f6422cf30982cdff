"""The service's codes and statuses: the status, the name, the class and the advice of each error.

Where an error has no code that is known, its name decides, then its text, then its status.
"""

from __future__ import annotations

from typing import NamedTuple

from cfai._errors import (
    AiInternalError,
    AuthenticationError,
    BadRequestError,
    CapacityError,
    InferenceUpstreamError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTimeoutError,
)


class ErrorSpec(NamedTuple):
    """A row of the table: an error's status, name and class, what the reader can do, and if a call may be repeated."""

    status: int
    name: str
    kind: type[InferenceUpstreamError]
    hint: str
    retryable: bool = False


_DAILY = (
    "the free allocation of 10,000 neurons a day is used up: it resets at 00:00 UTC, or move to the Workers Paid plan"
)
_TIMED_OUT = "it may have been billed, so it was not sent again: stream the answer, or lower max_tokens"
_TOKEN = (
    "check the token: it needs the permissions Workers AI Read and Edit for this account "
    "(of AI Search, AI Search Edit; of logs of a gateway, AI Gateway Read or Edit)"
)
_HEADER = "check the token: it is sent as it was given, so it may hold quotes, spaces or another secret's value"
_ADDRESS = "check account_id, base_url, and the name or id of what was called"
_SCHEMA = "compare the inputs with the model's schema"
_NAME = "check account_id and the model's name"
_SPENT = "the gateway's spend limit is reached: wait for its next window, or raise it in the dashboard"
_GUARDRAIL = "a guardrail of the gateway blocked the {}: word the prompt in another way, or change its settings"
_PRIVATE = "this account may not use this model"
_LORA = "ai.finetunes.list() has the account's, and ai.finetunes.public() those for all"
_BANNED = "the edge blocks this network: try another one, without VPN or proxy"
_ORIGIN = "the host in base_url cannot be reached from Cloudflare's edge: check it"
_PROVIDER_KEY = "store the provider's key in the gateway, or load credits and turn its authentication on"

WITHOUT_MODEL = {
    _SCHEMA: "compare what was passed with Cloudflare's reference of this call",
    _NAME: _ADDRESS,
    _TIMED_OUT: "it took too long, but may have been done all the same: try again, with less at a time",
}
"""What is said in the place of a hint about a model, for a call that runs none."""

# Codes as of 2026-11: developers.cloudflare.com/workers-ai/platform/errors, and those that public reports name.
# UNCERTAIN: the statuses of 5023 to 5025.
# UNCERTAIN: the statuses of 8001, 8005 and 8006.
# UNCERTAIN: statuses and texts of codes that were reported as a number alone, such as 5030 of a speech model.
CODES: dict[int, ErrorSpec] = {
    # Cloudflare's API, before any model is asked.
    971: ErrorSpec(429, "TooManyRequests", RateLimitError, "slow down: the API counts all requests of a user", True),
    1000: ErrorSpec(401, "InvalidToken", AuthenticationError, _TOKEN),
    6003: ErrorSpec(400, "InvalidHeaders", AuthenticationError, _HEADER),
    6103: ErrorSpec(400, "InvalidHeaders", AuthenticationError, "send an API token, not the global key"),
    6111: ErrorSpec(400, "InvalidHeaders", AuthenticationError, _HEADER),
    7000: ErrorSpec(400, "NoRoute", BadRequestError, _ADDRESS),
    7001: ErrorSpec(405, "NoSuchMethod", BadRequestError, "check base_url: this address takes another method"),
    7002: ErrorSpec(404, "NoSuchObject", NotFoundError, "check the id: there is no such object in this account"),
    7003: ErrorSpec(400, "NoRoute", BadRequestError, _ADDRESS),
    9106: ErrorSpec(400, "MissingHeaders", AuthenticationError, "no token arrived: a proxy may have taken it out"),
    9109: ErrorSpec(403, "InvalidToken", AuthenticationError, f"{_TOKEN}, and account_id must be the token's"),
    10000: ErrorSpec(401, "AuthenticationError", AuthenticationError, _TOKEN),
    10001: ErrorSpec(401, "AuthenticationError", AuthenticationError, _TOKEN),
    # Cloudflare's edge: pages and plain text.
    1006: ErrorSpec(403, "AddressBanned", PermissionDeniedError, _BANNED),
    1009: ErrorSpec(403, "CountryBanned", PermissionDeniedError, _BANNED),
    1010: ErrorSpec(
        403, "ClientBanned", PermissionDeniedError, "the edge blocks this client: give default_headers a user-agent"
    ),
    1015: ErrorSpec(429, "RateLimitedByEdge", RateLimitError, "slow down: the edge limits this network's rate", True),
    1016: ErrorSpec(530, "OriginNotFound", InternalServerError, _ORIGIN),
    1020: ErrorSpec(403, "BlockedByFirewall", PermissionDeniedError, _BANNED),
    1031: ErrorSpec(
        403, "TokenExpired", PermissionDeniedError, "the token has expired or lacks a permission: make a new one"
    ),
    1033: ErrorSpec(530, "OriginNotFound", InternalServerError, _ORIGIN),
    1101: ErrorSpec(500, "WorkerFailed", InternalServerError, "a Worker on the way failed: see its log", True),
    1102: ErrorSpec(503, "WorkerOverLimit", InternalServerError, "a Worker on the way is over its limits", True),
    # AI Gateway
    2001: ErrorSpec(
        400, "GatewayNotFound", BadRequestError, "create the gateway in the dashboard first, or check its id"
    ),
    2002: ErrorSpec(
        400,
        "GatewayUnreadable",
        AiInternalError,
        "the gateway could not read the answer: call it without gateway",
    ),
    2003: ErrorSpec(
        429, "GatewayRateLimited", RateLimitError, "slow down: the gateway limits its requests, in its settings", True
    ),
    2005: ErrorSpec(
        400,
        "ProviderFailed",
        AiInternalError,
        "the gateway's log says why; it may have been billed, so it was not sent again",
    ),
    2008: ErrorSpec(
        400,
        "InvalidProvider",
        BadRequestError,
        'the gateway does not serve this model there: check its name ("@cf/…", or "author/model"), leave base_url out, '
        'or send it over the API\'s host with Ai(gateway_route="api")',
    ),
    2009: ErrorSpec(
        401,
        "GatewayUnauthorized",
        AuthenticationError,
        "the gateway wants a token with AI Gateway Run, in the option token of gateway, or the provider refused its "
        "key; if some calls pass, slow down",
    ),
    2016: ErrorSpec(400, "PromptBlocked", BadRequestError, _GUARDRAIL.format("prompt")),
    2017: ErrorSpec(400, "ResponseBlocked", BadRequestError, _GUARDRAIL.format("answer")),
    2018: ErrorSpec(401, "ProviderUnauthorized", AuthenticationError, _PROVIDER_KEY),
    2019: ErrorSpec(400, "GatewayEndpointOff", BadRequestError, "turn this endpoint on in the gateway's settings"),
    2021: ErrorSpec(
        402, "GatewayBalanceEmpty", QuotaExceededError, "add money to the gateway, or store the provider's key in it"
    ),
    2036: ErrorSpec(400, "GatewayEndpointOff", BadRequestError, "turn this endpoint on in the gateway's settings"),
    2040: ErrorSpec(400, "ProviderKeyMissing", AuthenticationError, _PROVIDER_KEY),
    2041: ErrorSpec(429, "SpendLimitReached", QuotaExceededError, _SPENT),
    2045: ErrorSpec(429, "SpendLimitReached", QuotaExceededError, _SPENT),
    # Workers AI
    1001: ErrorSpec(400, "InvalidInput", BadRequestError, "send either prompt or messages, as the model's page shows"),
    3001: ErrorSpec(500, "UnknownFailure", InternalServerError, "try again", True),
    3003: ErrorSpec(400, "IncompleteRequest", BadRequestError, "headers or body are missing: check the proxy"),
    3006: ErrorSpec(413, "RequestTooLarge", BadRequestError, "send less: smaller images or audio, fewer messages"),
    3007: ErrorSpec(408, "RequestTimeout", RequestTimeoutError, _TIMED_OUT),
    3008: ErrorSpec(408, "RequestAborted", RequestTimeoutError, _TIMED_OUT),
    3010: ErrorSpec(
        400, "IncompleteInput", BadRequestError, f"{_SCHEMA}: audio and images in the form and size that it takes"
    ),
    3021: ErrorSpec(429, "TooManyRequests", RateLimitError, "slow down: requests are counted by the minute", True),
    3023: ErrorSpec(403, "AccountBlocked", PermissionDeniedError, "ask Cloudflare's support about this account"),
    3025: ErrorSpec(400, "EngineRejected", BadRequestError, "the model refused these inputs"),
    3030: ErrorSpec(400, "UpstreamRejected", BadRequestError, "the model refused these inputs"),
    3036: ErrorSpec(429, "DailyAllocationUsed", QuotaExceededError, _DAILY),
    3037: ErrorSpec(400, "FineTuneNotFound", NotFoundError, _LORA),
    3039: ErrorSpec(
        400, "FineTuneIncomplete", BadRequestError, "upload adapter_config.json and adapter_model.safetensors"
    ),
    3040: ErrorSpec(429, "OutOfCapacity", CapacityError, "the model is busy: try again, or use another", True),
    3041: ErrorSpec(403, "PrivateModel", PermissionDeniedError, _PRIVATE),
    3042: ErrorSpec(404, "InvalidModel", NotFoundError, "check the model's name"),
    3043: ErrorSpec(500, "InternalServerError", InternalServerError, "try again", True),
    3046: ErrorSpec(408, "RequestTimeout", RequestTimeoutError, _TIMED_OUT),
    3048: ErrorSpec(503, "UnknownFailure", InternalServerError, "try again, or use another model", True),
    3050: ErrorSpec(500, "RetriesExhausted", InternalServerError, "the service tried several times: wait", True),
    4006: ErrorSpec(429, "DailyAllocationUsed", QuotaExceededError, _DAILY),
    5004: ErrorSpec(400, "InvalidData", BadRequestError, "the base64 input is not what the model takes"),
    5005: ErrorSpec(405, "NoLora", BadRequestError, "this model takes no lora"),
    5006: ErrorSpec(400, "InvalidInput", BadRequestError, _SCHEMA),
    5007: ErrorSpec(400, "NoSuchModel", NotFoundError, "check the model's name"),
    5012: ErrorSpec(422, "UpstreamValidation", BadRequestError, _SCHEMA),
    5016: ErrorSpec(
        403, "AgreementRequired", PermissionDeniedError, "accept the licence once, with the prompt 'agree'"
    ),
    5018: ErrorSpec(403, "PrivateModel", PermissionDeniedError, _PRIVATE),
    5019: ErrorSpec(405, "OldSdk", BadRequestError, "update this package"),
    5021: ErrorSpec(413, "ContextWindowExceeded", BadRequestError, "shorten the input or lower max_tokens"),
    5023: ErrorSpec(400, "JsonModeStreams", BadRequestError, "ask for JSON without stream"),
    5024: ErrorSpec(400, "JsonModeFailed", BadRequestError, "ask again, or for a simpler schema, or raise max_tokens"),
    5025: ErrorSpec(400, "NoJsonMode", BadRequestError, "this model takes no JSON schema: use one that does"),
    5028: ErrorSpec(410, "ModelRetired", NotFoundError, "the service has retired this model: use another"),
    5030: ErrorSpec(503, "ModelUnavailable", InternalServerError, "try again", True),
    5035: ErrorSpec(403, "PaidPlanRequired", PermissionDeniedError, "move to Workers Paid, or prepay gateway credits"),
    8001: ErrorSpec(400, "InvalidInput", BadRequestError, f"the model refused these inputs: {_SCHEMA}"),
    8002: ErrorSpec(400, "InvalidValue", BadRequestError, "the model refused a value, such as a language it lacks"),
    8005: ErrorSpec(
        500,
        "InternalServerError",
        InternalServerError,
        "try again, unless an image was sent that cannot be read",
        True,
    ),
    8006: ErrorSpec(
        400, "InvalidInput", BadRequestError, "the model refused an image, or a forced tool call needs more max_tokens"
    ),
    8007: ErrorSpec(400, "EngineRejected", BadRequestError, "the model refused these inputs"),
    8008: ErrorSpec(500, "InternalServerError", InternalServerError, "try again", True),
}

EDGE_PAGE_CODES = {1006, 1009, 1010, 1015, 1016, 1020, 1033, 1101, 1102}
"""The codes that a page of Cloudflare's edge can name; the same numbers mean something else elsewhere."""

_FORBIDDEN = ErrorSpec(403, "Forbidden", PermissionDeniedError, "check the token's permissions and the account's plan")
STATUSES: dict[int, ErrorSpec] = {
    401: CODES[10000],
    402: ErrorSpec(402, "BalanceEmpty", QuotaExceededError, "add money to the gateway, or bring your own key"),
    403: _FORBIDDEN,
    404: ErrorSpec(404, "NotFound", NotFoundError, _NAME),
    405: CODES[7001],
    407: ErrorSpec(
        407, "ProxyAuthentication", BadRequestError, "the proxy wants a user and a password: put them into its address"
    ),
    408: CODES[3046],
    410: CODES[5028],
    413: CODES[3006],
    429: CODES[3021],
    # The edge gave up on a model that still worked: 504 after its own limit, 524 after 120 s without an answer.
    504: CODES[3046],
    511: ErrorSpec(511, "NetworkLogin", InternalServerError, "log in to this network first: open a page in a browser"),
    524: CODES[3046],
    529: CODES[3040],
}
BY_FIRST_DIGIT: dict[int, ErrorSpec] = {
    3: ErrorSpec(
        302,
        "Redirect",
        InferenceUpstreamError,
        "redirects are not followed, the token would go along: check base_url",
    ),
    4: ErrorSpec(400, "BadRequest", BadRequestError, _SCHEMA),
    5: ErrorSpec(500, "InternalServerError", InternalServerError, "try again", True),
}
"""Any other status, by its first digit."""
UNKNOWN_FAILURE = ErrorSpec(
    200, "Failed", AiInternalError, "ask again; if it stays, tell Cloudflare's support the request id"
)
"""An answer that reports an error under a good status."""

NAMES: dict[str, ErrorSpec] = {
    # Names of the service's own page, and the words of OpenAI and Anthropic, whose models a gateway serves.
    "accountblocked": CODES[3023],
    "accountlimited": CODES[3036],
    "accountnotallowedforprivatemodel": CODES[3041],
    "aborted": CODES[3008],
    "authenticationerror": CODES[10000],
    "contextlengthexceeded": CODES[5021],
    "deprecatedsdkversion": CODES[5019],
    "finetunemissingrequiredfiles": CODES[3039],
    "finetunenotfound": CODES[3037],
    "incompleterequest": CODES[3003],
    "insufficientquota": CODES[2021],
    "invalidapikey": CODES[10000],
    "invaliddata": CODES[5004],
    "invalidmodelid": CODES[3042],
    "loraunsupported": CODES[5005],
    "modelagreement": CODES[5016],
    "modeldecommissioned": CODES[5028],
    "modeldeprecated": CODES[5028],
    "modelnotfound": CODES[5007],
    "notfounderror": STATUSES[404],
    "nosuchmodel": CODES[5007],
    "outofcapacity": CODES[3040],
    "overloadederror": CODES[3040],
    "permissiondenied": _FORBIDDEN,
    "permissionerror": _FORBIDDEN,
    "ratelimiterror": CODES[3021],
    "ratelimitexceeded": CODES[3021],
    "requesttimeout": CODES[3046],
    "requesttoolarge": CODES[3006],
    "timeout": CODES[3007],
    "timeouterror": CODES[3046],
    "toomanyrequests": CODES[3021],
    "unauthorized": CODES[10000],
}
"""Errors by name: in lower case, without blanks, dashes and underscores."""

TEXTS: tuple[tuple[str, ErrorSpec], ...] = (
    (r"spend limit", CODES[2041]),
    (r"insufficient (?:balance|\w+ ?credits)", CODES[2021]),
    (r"capacity (?:is )?(?:temporarily )?exceeded|no more data centers|out of capacity|overloaded", CODES[3040]),
    (r"model agreement|not agreed to|prompt 'agree'", CODES[5016]),
    (r"deprecated sdk|sdk version", CODES[5019]),
    (r"no such model|model not found|unknown model", CODES[5007]),
    (r"invalid model id|model name is invalid", CODES[3042]),
    (r"\b(?:fine-?tune|lora)\b.{0,120}not found", CODES[3037]),
    (r"fine-?tune\b.{0,40}missing", CODES[3039]),
    (
        r"model .{0,120}(?:deprecated|retired|decommissioned|discontinued|sunset|no longer (?:available|supported))"
        r"|deprecated on 20|end of life",
        CODES[5028],
    ),
    (r"not support lora", CODES[5005]),
    (r"requires? .{0,20}workers paid", CODES[5035]),
    (r"not allowed .{0,20}\bthis model", CODES[5018]),
    (r"account is blocked|unavailable for account", CODES[3023]),
    (r"\brate.?limit|too many requests|throttl", CODES[3021]),
    (r"request was aborted", CODES[3008]),
    (r"request timeout|timed out", CODES[3046]),
    (r"request (?:body |entity )?(?:is )?too large", CODES[3006]),
    (r"json mod\w+ couldn'?t be met", CODES[5024]),
    (r"n't sup?\w+ json schema", CODES[5025]),
    (r"not supported with stream", CODES[5023]),
    (r"for base64 input", CODES[5004]),
    (r"bad input", CODES[5006]),
    (r"invalid provider", CODES[2008]),
    (r"configure ai gateway", CODES[2001]),
    (r"failed to get response from provider", CODES[2005]),
    (r"prompt blocked", CODES[2016]),
    (r"response blocked", CODES[2017]),
    (r"could not route|no route for", CODES[7003]),
    (r"just a moment|attention required|access denied|have been blocked", CODES[1020]),
    (
        r"not authori[sz]ed|unauthori[sz]ed|authentication (?:error|failed)|invalid (?:api|access) (?:token|key)",
        CODES[10000],
    ),
)
"""Errors by their text, in lower case, the first that fits. The daily allocation is told apart before any code."""

HINTS: tuple[tuple[str, str], ...] = (
    (r"may now use|thank you for agree", "the licence is accepted now: call the model again"),
    (r"flagged|nsfw|content (?:policy|filter)", "the model's own filter refused it: word the prompt in another way"),
    (
        r"data for image|decode .{0,20}image|image .{0,40}(?:dimensions|unsupported)",
        'give an image as "data:image/png;base64,…", of a size and type that the model takes',
    ),
    (
        r"(?:process|decode) .{0,20}audio|audio .{0,40}(?:corrupt|unsupported)",
        "give audio in a form that the model takes, such as WAV or MP3, with speech in it",
    ),
    (r"system message must", "put the system message first, and only one"),
    (r"arguments must be", "the arguments of a tool call in messages must be JSON text"),
    (r"credentials|authentication is required", _PROVIDER_KEY),
)
"""What to do about an error whose code says little, by its text, in lower case."""

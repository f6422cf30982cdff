"""Ask one provider after the other through an AI Gateway, and say in its log that the answer was good.

python examples/gateway.py Where is New York?
"""

import sys

from cfai import Ai
from cfai.types import GatewayStep

messages = [{"role": "user", "content": " ".join(sys.argv[1:]) or "Where is New York?"}]
steps: list[GatewayStep] = [
    {"provider": "groq", "endpoint": "chat/completions", "query": {"model": "qwen/qwen3-32b", "messages": messages}},
    {"provider": "workers-ai", "endpoint": "@cf/zai-org/glm-4.7-flash", "query": {"messages": messages}},
]

with Ai() as ai:
    gateway = ai.gateway("default")
    answer = gateway.run(steps, authorize=True, return_raw_response=False)
    print(f"step {answer.meta.gateway_step}: {answer.text}")
    gateway.patch_log(answer.meta.gateway_log_id, feedback=1)  # so that the dashboard can count good answers
    log = gateway.get_log(answer.meta.gateway_log_id)
    print(f"{log.model}, {log.duration} ms, {log.tokens_out} tokens", file=sys.stderr)

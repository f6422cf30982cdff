"""List the models that the service has now, each with what it is for and the fields that it takes.

python examples/models.py flux
"""

import sys

from cfai import Ai

with Ai() as ai:
    for model in ai.models(search=sys.argv[1] if len(sys.argv) > 1 else "glm"):
        schema = ai.model_schema(model.name).input
        fields = {field for form in schema.get("oneOf", [schema]) for field in form.get("properties", {})}
        print(f"{model.name} ({model.task.name if model.task else 'no task'}): {', '.join(sorted(fields))}")

"""Describe a city, as an object that is printed while it grows: `python structured.py Oslo`."""

import sys

from pydantic import BaseModel, Field

from cfai import Ai


class City(BaseModel):
    """A city, in figures."""

    name: str
    country: str
    population: int = Field(description="of the city itself, without its suburbs")
    sights: list[str]


prompt = f"Describe {' '.join(sys.argv[1:]) or 'Paris'}."
with Ai() as ai:
    stream = ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": prompt, "stream": True}, output_type=City)
    for partial in stream.partials():
        print(partial, file=sys.stderr)
    city = stream.result().output
print(f"{city.name}, {city.country}: {city.population:,}")

"""Let a model call a function: `python examples/tools.py "What is the weather in Bergen?"`."""

import sys

from cfai import Ai


def get_weather(city: str, unit: str = "C") -> dict[str, int | str]:
    """The weather of today in a city.

    city: its English name
    unit: C or F
    """
    return {"city": city, "temperature": 7 if unit == "C" else 45, "sky": "rain"}


def main() -> None:
    question = " ".join(sys.argv[1:]) or "What is the weather in Oslo?"
    with Ai() as ai:
        answer = ai.run_with_tools("@cf/zai-org/glm-4.7-flash", {"prompt": question}, tools=[get_weather])
    for step in answer.steps:
        for done in step.calls:
            print(f"{done.call.name}({done.arguments}) -> {done.content}")
    print(answer)


if __name__ == "__main__":
    main()

"""The costs of cfai beside openai, httpx-sse and httpx itself, in one run on one server of prepared bytes.

Run it from the checkout, with the extra `dev` installed:

    PYTHONPATH=.ci python -m benchmarks                      # all but `crowd` and `estimate`: about six minutes
    PYTHONPATH=.ci python -m benchmarks streaming import     # some of it
    PYTHONPATH=.ci python -m benchmarks crowd                # 1000 streams at once
    PYTHONPATH=.ci python -m benchmarks streaming --rounds 3 # quicker, and noisier
    PYTHONPATH=.ci python -m benchmarks estimate             # how far off `count_tokens` is; needs calibration texts

Every figure is a median over rounds in which the clients take turns, and every ratio the median of the ratios inside
a round: on a busy machine times wander by a factor of two, ratios by a few per cent. Beside each ratio stand the
quartiles, so that one sees how far to trust it, and the target. A target that is missed is information, not a failure;
of `estimate`, which measures no time, it is one.

It measures CPU time in the client's process, unless it says otherwise. *Floor* is httpx itself: the body's bytes, read
and thrown away.
"""

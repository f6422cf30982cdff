"""cfai in Pyodide, over the binding of a Worker: `python .ci/python_worker`."""

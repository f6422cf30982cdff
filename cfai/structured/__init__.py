"""Structured output: an answer as an object of the caller's type, which goes out as a JSON schema.

It stands on a call of `(model, inputs)`, sync or async: the schema is put into the inputs in the form that the model
takes, the object is read out of the text of the answer, and what does not fit is asked for again.
"""

from cfai.structured._call import arun_structured, count_reads, run_structured, was_sent
from cfai.structured._format import OutputFormat
from cfai.structured._schema import (
    add_envelope,
    add_schema,
    check_json_mode,
    find_form,
    find_json_problem,
    has_class,
    make_strict,
    replace_class,
    take_output_type,
)
from cfai.structured._streams import AsyncStructuredStream, StructuredStream

__all__ = [
    "AsyncStructuredStream",
    "OutputFormat",
    "StructuredStream",
    "add_envelope",
    "add_schema",
    "arun_structured",
    "check_json_mode",
    "count_reads",
    "find_form",
    "find_json_problem",
    "has_class",
    "make_strict",
    "replace_class",
    "run_structured",
    "take_output_type",
    "was_sent",
]

"""Thousands of calls of one model: in their turn, resumed after a crash, within a budget.

A `Job` reads inputs and gives rows. `_work` decides what is read, begun and given next, `_sender` sends one row and
sends it again where that is safe, in the turns of a `Pace`. `_journal` keeps what was answered, `_budget` knows what it
costs at most. `_documents` converts documents by the same machinery.
"""

from cfai.many._job import AsyncJob, Job
from cfai.many._report import JobReport, Row
from cfai.many._work import JobOptions

__all__ = ["AsyncJob", "Job", "JobOptions", "JobReport", "Row"]

"""A run that reads as one line a job, and ends with what went wrong."""

import logging
import re

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

CHATTER = re.compile(
    "Assuming unrestricted|Building DAG|Using shell|Provided |Rules claiming|Select jobs|Execute |Conda environments"
    "|Removing output|Restored previous|Cannot restore|Shutting down|Exiting because|Complete log|Elapsed time|Reasons:|This was a dry-run"
)
AROUND_A_REFUSAL = re.compile('^(WorkflowError in file .*|  File ".*)$', re.MULTILINE)
UNSAID = {
    LogEvent.JOB_FINISHED,
    LogEvent.RESOURCES_INFO,
    LogEvent.WORKFLOW_STARTED,
    LogEvent.SHELLCMD,
    LogEvent.JOB_STARTED,
}


class OneLineAJob(logging.Filter):
    """Says which job begins and how many are done; of a job that failed, the line that its command ended with.

    `snakemake --verbose` leaves everything as Snakemake says it.
    """

    done = "0"
    begun = False
    failed = []

    def filter(self, record):
        event = getattr(record, "event", None)
        if event is LogEvent.JOB_INFO:
            self.begun = True
            return record.rule_name != "all" and self.say(record, f"{self.done:>8}  {job_of(record)}")
        if event is LogEvent.PROGRESS:
            self.done = f"{record.done}/{record.total}"
            return False
        if event is LogEvent.JOB_ERROR:
            self.failed.append(reason(record))
            return False
        if event is LogEvent.ERROR and "__onstart" in record.getMessage():
            return self.say(record, AROUND_A_REFUSAL.sub("", record.getMessage()).strip())
        # Of a job, whose own line says more; before the first one it is a rule that is wrong.
        if event is LogEvent.ERROR and record.exception == "RuleException" and self.begun:
            return False
        if event is LogEvent.ERROR and self.failed and "At least one job" in record.getMessage():
            return self.say(record, "\n".join([f"{len(self.failed)} failed; what is finished is kept", *self.failed]))
        return event not in UNSAID and not (event is None and CHATTER.match(record.getMessage().strip()))

    def say(self, record, text):
        record.event, record.msg, record.args = None, text, ()
        return True


def job_of(record):
    return (record.rule_msg or record.rule_name).removeprefix("python -m ttame ")


def reason(record):
    """The line of ttame's in the log of a failed job, else its last one."""
    try:
        lines = Path(record.log[0]).read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, IndexError):
        lines = []
    found = [line for line in lines if line.startswith("ttame: ")] or lines or ["killed without a word"]
    return f"{record.rule_name} ({', '.join(record.log)}): {found[-1].removeprefix('ttame: ')}"


# As a module of another workflow this one leaves the log as it is there.
is_main = workflow.modifier.is_main_snakefile()
if is_main and not any(isinstance(filter, logging.Filter) for filter in logger.filters) and "--verbose" not in sys.argv:
    logger.addFilter(OneLineAJob())

"""A run that reads as one line a job, and ends with what went wrong."""

import logging
import re

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent
from tqdm import tqdm

CHATTER = re.compile(
    "Assuming unrestricted|Building DAG|Using shell|Provided |Rules claiming|Select jobs|Execute |Conda environments"
    "|Removing output|Restored previous|Cannot restore|Shutting down|Exiting because|Complete log|Elapsed time|Reasons:|This was a dry-run"
)
AROUND_A_REFUSAL = re.compile('^(WorkflowError in file .*|  File ".*)$', re.MULTILINE)
UNSAID = {
    LogEvent.RESOURCES_INFO,
    LogEvent.WORKFLOW_STARTED,
    LogEvent.SHELLCMD,
    LogEvent.JOB_STARTED,
}


class OneLineAJob(logging.Filter):
    """Says which job begins, how many are done, and how long the rest takes; of a failed job, how its command ended.

    `snakemake --verbose` leaves everything as Snakemake says it.
    """

    bar = None
    begun = False
    failed = {}

    def filter(self, record):
        event = getattr(record, "event", None)
        if event is LogEvent.RUN_INFO:
            # Not drawn: what it knows stands in the line of a job, which a terminal and a log show alike.
            self.bar = tqdm(total=record.stats["total"], file=open(os.devnull, "w"), mininterval=0, miniters=0)
        if event is LogEvent.JOB_INFO:
            self.begun = True
            return record.rule_name != "all" and self.say(record, f"{self.so_far()}{job_of(record)}")
        if event is LogEvent.PROGRESS:
            if self.bar is not None:
                self.bar.update(record.done - self.bar.n)
            return self.bar is not None and record.done == record.total and self.say(record, self.so_far())
        if event is LogEvent.JOB_ERROR:
            self.failed[record.jobid] = reason(record)
            return False
        if event is LogEvent.JOB_FINISHED:
            self.failed.pop(record.job_id, None)  # which may have taken several attempts
            return False
        if event is LogEvent.ERROR and "__onstart" in record.getMessage():
            return self.say(record, AROUND_A_REFUSAL.sub("", record.getMessage()).strip())
        # Of a job, whose own line says more; before the first one it is a rule that is wrong.
        if event is LogEvent.ERROR and record.exception == "RuleException" and self.begun:
            return False
        if event is LogEvent.ERROR and self.failed and "At least one job" in record.getMessage():
            return self.say(
                record, "\n".join([f"{len(self.failed)} failed; what is finished is kept", *self.failed.values()])
            )
        return event not in UNSAID and not (event is None and CHATTER.match(record.getMessage().strip()))

    def so_far(self):
        """Jobs done, their share as a bar, and the time left at the speed of the latest ones.

        The longest jobs come first, so before a tenth is done that would be far too much. Where a job of a cluster runs,
        nobody knows of the others.
        """
        if self.bar is None:
            return ""
        done, total = self.bar.n, self.bar.total
        left = " " * 13 if 10 * done < total else "{elapsed} in all" if done == total else "{remaining:>8} left"
        shape = f"{done:>{len(str(total))}}/{total} [{{bar:10}}] {{percentage:3.0f}} % {left}  "
        return tqdm.format_meter(**self.bar.format_dict | {"bar_format": shape, "ascii": " ="})

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

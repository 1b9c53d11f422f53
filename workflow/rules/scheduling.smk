"""How often Snakemake looks for jobs to start: when one ends, and a second after it looked.

It would ask for another look after every look (9.27.1), so that every job that ends adds looks that never stop: in the
demo's 303 jobs they took 100 s of a core. One at a time is enough.
"""

import threading

from snakemake.scheduling.job_scheduler import JobScheduler


class Looks:
    """Delays after which a look was asked for and has not come yet."""

    asked = set()


def look_once_after(scheduler, delay):
    """Let the scheduler look again in so many seconds, unless it will."""

    def look():
        Looks.asked.discard(delay)  # before the look, which asks for the next one
        scheduler._open_jobs.release()

    if delay not in Looks.asked:
        Looks.asked.add(delay)
        threading.Timer(delay, look).start()


JobScheduler._schedule_reevalutation = look_once_after

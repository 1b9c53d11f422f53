include: "workflow/rules/common.smk"
include: "workflow/rules/keeping.smk"
include: "workflow/rules/messages.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/parts.smk"
include: "workflow/rules/stages.smk"


onstart:
    from ttame.runtime import engine_lock, stopping, warm_start

    try:
        engine_lock.hold(" ".join(["snakemake", *sys.argv[1:]]))
        # Elsewhere than here a job could not reach it.
        if workflow.executor_plugin.common_settings.local_exec:
            os.environ[stopping.ENGINE] = str(os.getpid())
            stopping.pass_on_signals()
            warm_start.start(SETTINGS.execution)
    except TTameError as error:
        raise WorkflowError(str(error))


rule all:
    input:
        every_output(),
    default_target: True

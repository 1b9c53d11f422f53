"""A rule for every stage of dvc.yaml."""

for stage in STAGES:

    rule:
        name:
            stage
        input:
            inputs(stage),
        output:
            reported(stage),
        params:
            command=command(stage),
            planned=planned(stage),
            code=code(stage),
        wildcard_constraints:
            **allowed_wildcards(stage),
        log:
            log_file(stage),
        # The longest jobs first, so that nothing waits for them at the end.
        priority: 10 if stage == "train" else 0
        threads: ASKED[stage]["threads"]
        resources:
            **ASKED[stage]["resources"],
        conda:
            "../envs/ttame.yaml"
        message:
            "{params.command}"
        # A text without names of this loop, since Snakemake reads it when the loop is over. A signal to the whole group
        # is not for `tee`: without a reader the job could not say how it ended.
        shell:
            "(TTAME_PLANNED={params.planned} {params.command}) 2>&1 | (trap '' INT TERM HUP; exec tee {log})"

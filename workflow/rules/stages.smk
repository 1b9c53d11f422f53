"""A rule for every stage of dvc.yaml, and one for the parts of those whose images several jobs share."""

for stage, is_part in [
    (stage, is_part) for stage in STAGES for is_part in (False, True) if is_parted(stage) or not is_part
]:

    rule:
        name:
            f"{stage}_part" if is_part else stage
        input:
            inputs(stage, is_part),
        output:
            touch(temp(marker(stage))) if is_part else reported(stage),
        log:
            log_file(stage, is_part),
        wildcard_constraints:
            **allowed_wildcards(stage),
            **({"part": "[0-9]+", "parts": "[0-9]+", "state": "[0-9a-f]+"} if is_part else {}),
        # The longest jobs first, so that nothing waits for them at the end, and last what only the tables wait for.
        priority: {"train": 10, "sanity": -10, "sanity_trained": -10}.get(stage, 0)
        conda:
            "../envs/ttame.yaml"
        threads: ASKED[stage]["threads"]
        resources:
            **resources(stage),
        params:
            command=command(stage, is_part),
            planned=planned(stage),
            code=code(stage),
        message:
            "{params.command}"
        # A text without names of this loop, since Snakemake reads it when the loop is over. A signal to the whole group
        # is not for `tee`: without a reader the job could not say how it ended.
        shell:
            '(TTAME_PLANNED={params.planned} PYTHONPATH="$TTAME_CHECKOUT:${{PYTHONPATH-}}" {params.command}) 2>&1 | (trap "" INT TERM HUP; exec tee {log})'

rule datalists:
    input:
        dependencies("datalists"),
    output:
        written("datalists"),
    params:
        parameters("datalists"),
    wildcard_constraints:
        **axes("datalists"),
    log:
        "logs/{experiment}/datalists.log",
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    conda:
        "../envs/ttame.yaml"
    shell:
        command("datalists")

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


rule truths:
    input:
        dependencies("truths"),
    output:
        written("truths"),
    params:
        parameters("truths"),
    wildcard_constraints:
        **axes("truths"),
    log:
        "logs/{experiment}/truths/{backbone}.log",
    threads: cores(processes_of_task())
    resources:
        **training_resources(),
        mem_mb=8000 * config["execution"]["devices"],
        runtime=720,
    conda:
        "../envs/ttame.yaml"
    shell:
        command("truths")

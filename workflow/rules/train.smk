rule train:
    input:
        dependencies("train"),
    output:
        written("train"),
    params:
        parameters("train"),
    wildcard_constraints:
        **axes("train"),
    log:
        "logs/{experiment}/train/{backbone}.{method}.log",
    # The longest jobs first, so that nothing waits for them at the end.
    priority: 10
    threads: cores(processes_of_task())
    resources:
        **training_resources(),
        mem_mb=16000 * config["execution"]["devices"],
        runtime=1440,
    conda:
        "../envs/ttame.yaml"
    shell:
        command("train")


use rule train as train_on_transformers with:
    input:
        dependencies("train_on_transformers"),
    output:
        written("train_on_transformers"),
    params:
        parameters("train_on_transformers"),
    wildcard_constraints:
        **axes("train_on_transformers"),

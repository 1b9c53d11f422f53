rule scores:
    input:
        dependencies("scores"),
    output:
        written("scores"),
    params:
        parameters("scores"),
    wildcard_constraints:
        **axes("scores"),
    log:
        "logs/{experiment}/scores/{backbone}.{method}.log",
    threads: cores()
    resources:
        gpu=gpus(),
        mem_mb=8000,
        runtime=720,
    conda:
        "../envs/ttame.yaml"
    shell:
        command("scores")


use rule scores as scores_on_transformers with:
    input:
        dependencies("scores_on_transformers"),
    output:
        written("scores_on_transformers"),
    params:
        parameters("scores_on_transformers"),
    wildcard_constraints:
        **axes("scores_on_transformers"),


use rule scores as scores_trained with:
    input:
        dependencies("scores_trained"),
    output:
        written("scores_trained"),
    params:
        parameters("scores_trained"),
    wildcard_constraints:
        **axes("scores_trained"),


use rule scores as scores_trained_on_transformers with:
    input:
        dependencies("scores_trained_on_transformers"),
    output:
        written("scores_trained_on_transformers"),
    params:
        parameters("scores_trained_on_transformers"),
    wildcard_constraints:
        **axes("scores_trained_on_transformers"),

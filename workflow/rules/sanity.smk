rule sanity:
    input:
        dependencies("sanity"),
    output:
        written("sanity"),
    params:
        parameters("sanity"),
    wildcard_constraints:
        **axes("sanity"),
    log:
        "logs/{experiment}/sanity/{backbone}.{method}.log",
    threads: cores()
    resources:
        gpu=gpus(),
        mem_mb=8000,
        runtime=720,
    conda:
        "../envs/ttame.yaml"
    shell:
        command("sanity")


use rule sanity as sanity_on_transformers with:
    input:
        dependencies("sanity_on_transformers"),
    output:
        written("sanity_on_transformers"),
    params:
        parameters("sanity_on_transformers"),
    wildcard_constraints:
        **axes("sanity_on_transformers"),


use rule sanity as sanity_trained with:
    input:
        dependencies("sanity_trained"),
    output:
        written("sanity_trained"),
    params:
        parameters("sanity_trained"),
    wildcard_constraints:
        **axes("sanity_trained"),


use rule sanity as sanity_trained_on_transformers with:
    input:
        dependencies("sanity_trained_on_transformers"),
    output:
        written("sanity_trained_on_transformers"),
    params:
        parameters("sanity_trained_on_transformers"),
    wildcard_constraints:
        **axes("sanity_trained_on_transformers"),

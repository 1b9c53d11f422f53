rule maps:
    input:
        dependencies("maps"),
    output:
        written("maps"),
    params:
        parameters("maps"),
    wildcard_constraints:
        **axes("maps"),
    log:
        "logs/{experiment}/maps/{backbone}.{method}.log",
    threads: cores()
    resources:
        gpu=gpus(),
        mem_mb=8000,
        runtime=720,
    conda:
        "../envs/ttame.yaml"
    shell:
        command("maps")


use rule maps as maps_on_transformers with:
    input:
        dependencies("maps_on_transformers"),
    output:
        written("maps_on_transformers"),
    params:
        parameters("maps_on_transformers"),
    wildcard_constraints:
        **axes("maps_on_transformers"),


use rule maps as maps_trained with:
    input:
        dependencies("maps_trained"),
    output:
        written("maps_trained"),
    params:
        parameters("maps_trained"),
    wildcard_constraints:
        **axes("maps_trained"),


use rule maps as maps_trained_on_transformers with:
    input:
        dependencies("maps_trained_on_transformers"),
    output:
        written("maps_trained_on_transformers"),
    params:
        parameters("maps_trained_on_transformers"),
    wildcard_constraints:
        **axes("maps_trained_on_transformers"),

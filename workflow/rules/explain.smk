rule maps:
    input:
        dependencies("maps"),
    output:
        paths("maps", "outs"),
    params:
        parameters("maps"),
    wildcard_constraints:
        **axes("maps"),
    log:
        "logs/{experiment}/maps/{backbone}.{method}.log",
    threads: config["execution"]["threads"]
    resources:
        gpu=1,
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
        paths("maps_on_transformers", "outs"),
    params:
        parameters("maps_on_transformers"),
    wildcard_constraints:
        **axes("maps_on_transformers"),


use rule maps as maps_trained with:
    input:
        dependencies("maps_trained"),
    output:
        paths("maps_trained", "outs"),
    params:
        parameters("maps_trained"),
    wildcard_constraints:
        **axes("maps_trained"),


use rule maps as maps_trained_on_transformers with:
    input:
        dependencies("maps_trained_on_transformers"),
    output:
        paths("maps_trained_on_transformers", "outs"),
    params:
        parameters("maps_trained_on_transformers"),
    wildcard_constraints:
        **axes("maps_trained_on_transformers"),

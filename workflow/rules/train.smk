rule train:
    input:
        dependencies("train"),
    output:
        paths("train", "outs"),
    params:
        parameters("train"),
    wildcard_constraints:
        **axes("train"),
    log:
        "logs/{experiment}/train/{backbone}.{method}.log",
    threads: config["execution"]["threads"]
    resources:
        gpu=1,
        mem_mb=16000,
        runtime=1440,
    conda:
        "../envs/ttame.yaml"
    shell:
        command("train")

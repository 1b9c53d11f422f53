rule figure:
    input:
        dependencies("figure"),
    output:
        reported("figure", "Figures"),
    params:
        parameters("figure"),
    wildcard_constraints:
        **axes("figure"),
    log:
        "logs/{experiment}/figure/{backbone}.log",
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        "../envs/ttame.yaml"
    shell:
        command("figure")


rule tables:
    input:
        dependencies("tables"),
    output:
        reported("tables", "Tables"),
    params:
        parameters("tables"),
    wildcard_constraints:
        **axes("tables"),
    log:
        "logs/{experiment}/tables.log",
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        "../envs/ttame.yaml"
    shell:
        command("tables")


rule page:
    input:
        dependencies("page"),
    output:
        reported("page", "Page"),
    params:
        parameters("page"),
    wildcard_constraints:
        **axes("page"),
    log:
        "logs/{experiment}/page.log",
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    conda:
        "../envs/ttame.yaml"
    shell:
        command("page")


rule cost:
    input:
        dependencies("cost"),
    output:
        reported("cost", "Tables"),
    params:
        parameters("cost"),
    wildcard_constraints:
        **axes("cost"),
    log:
        "logs/{experiment}/cost.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    conda:
        "../envs/ttame.yaml"
    shell:
        command("cost")

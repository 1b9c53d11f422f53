configfile: "params.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/explain.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/sanity.smk"
include: "workflow/rules/report.smk"


rule all:
    input:
        every_output(),
    default_target: True

include: "workflow/rules/common.smk"
include: "workflow/rules/messages.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/stages.smk"


rule all:
    input:
        every_output(),
    default_target: True

include: "workflow/Snakefile"


# What an included file calls its default target is none of the file that includes it.
workflow.default_target = "all"

"""What a person asks for on the command line; the stages of the DAG are in ttame.stages."""

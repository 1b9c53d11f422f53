"""ttame from Python: without params, without the DAG, and without a file but those that are named."""

"""What is run by hand, outside the pipeline."""

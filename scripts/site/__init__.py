"""What `make docs` adds to docs/: pages made of the code, files of the repository as pages, tables of the demo."""

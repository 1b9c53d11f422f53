"""How the work runs: device, processes, seeds, progress. None of it decides a result."""

"""What several methods share. A change here reruns the maps of every method without training."""

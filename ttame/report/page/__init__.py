"""The results page: one HTML file that needs nothing beside it."""

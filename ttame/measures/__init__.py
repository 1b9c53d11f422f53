"""Measures that need something of a classifier, computed once, before they can judge the methods on it."""

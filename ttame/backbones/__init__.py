"""Frozen classifiers with named feature layers."""

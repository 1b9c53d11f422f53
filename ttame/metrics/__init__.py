"""Pure functions on tensors: masking, AD and IC, imputation, ROAD, localisation."""

"""The attention of transformers in the open: computed where it can be read and replaced, and checked before use."""

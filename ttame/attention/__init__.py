"""The trainable attention mechanisms: network, loss, training, checkpoints."""

"""Where does an image classifier look? T-TAME and the methods it is compared with."""

__version__ = "0.1.0"

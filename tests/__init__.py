"""The tests run with portable arithmetic, which has to be asked for before anything imports NumPy."""

from ttame.runtime.portable import make_portable

make_portable()

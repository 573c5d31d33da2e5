"""What cross-entropy and its relatives must give, from the formulas as they stand in the books, in mpmath.

`make_vectors.py` writes it down; nothing is shared with the library. A module for each family of functions
says what a row gives and how far from it an implementation may be; the file's header has both in words.
"""

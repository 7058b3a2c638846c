"""What the programs of docs/examples do, as one would write it with PyMuPDF or pypdfium2: no worker processes, no cache on disk
but where the program is about one.
"""

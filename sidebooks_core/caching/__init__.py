"""Where records are kept: memory over disk, by bytes, and the locks that keep processes from drawing the same twice."""

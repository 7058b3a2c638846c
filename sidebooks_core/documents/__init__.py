"""What a document is and what is on its pages. The modules that touch the engine run in workers; the others anywhere."""

"""The places of pixels: planes, pyramids, slabs, spreads and viewports. Pure arithmetic on frozen values.

Four planes, named in every coordinate: `pt_` points of a page (1/72 in, origin top left, rotation and crop applied),
`px_` pixels of one raster of a page, `tile_` column and row in a raster's grid, `view_` pixels of the reader's screen.
"""

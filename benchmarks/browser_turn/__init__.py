"""From a key to the page on the screen, in a browser: our viewer, pdf.js, and OpenSeadragon on our tiles."""

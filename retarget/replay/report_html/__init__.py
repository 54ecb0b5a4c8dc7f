"""The report that opens in a browser: one self-contained HTML file with plots and 3D playback."""

"""Colours and markers that all pictures share."""

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C5A2B")
"""Okabe and Ito (2008), safe for the colour-blind, with brown in place of yellow."""
MARKERS = "osD^vPX*"
GREY = "#666666"

"""Colours and markers that all pictures share."""

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C5A2B")
"""Okabe and Ito (2008), safe for the colour-blind, with brown in place of yellow."""
MARKERS = "osD^vPX*"
GREY = "#666666"
TARGET = "#A6A6A6"
"""Of what is right; answers are drawn over it in a colour."""
RAMP = ((255, 255, 255), (158, 202, 225), (49, 130, 189), (8, 48, 107))
"""White to deep blue, of amounts: every third of ColorBrewer's Blues."""
MISSING = (210, 210, 210)
"""Of a cell without a number."""

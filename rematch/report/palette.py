"""The colours of all figures, and in which order series and methods are shown.

Colours are those of Okabe and Ito (2008), which stay apart for colour-blind readers and in print; no figure relies on
colour alone: lines carry their names, marks their shapes.
"""

INK, MUTED, LINE = "#1b2430", "#566270", "#d9dee4"
OLD, NEW, BEST = "#8a6d00", "#0072b2", "#007a5a"  # v1, v2, v3: yellow and green are darkened, to be read on white
GOOD, BAD, OPEN, ODD = "#0072b2", "#c2410c", "#8a95a1", "#9c4a86"
SERIES = (OLD, NEW, BEST, ODD, "#56a0d3", "#5c4b99")
DASHES = ((None, None), (None, None), (None, None), (4, 2), (1, 1.5), (6, 2, 1, 2))
METHODS = ("shapley", "leave-one-out", "one-at-a-time")  # of attribution: the first that was run is shown first

"""The matplotlib style of all figures, with fonts as large as on slides."""

from rnnlab.plots.palette import GREY

STYLE = {
    "font.size": 15,
    "text.parse_math": False,  # dollar signs in settings are literal
    "axes.titlesize": 15,
    "axes.titlelocation": "left",
    "axes.labelsize": 15,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E5E5E5",
    "grid.linewidth": 0.8,
    "axes.edgecolor": GREY,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "lines.linewidth": 2.4,
    "lines.markersize": 8,
    "legend.frameon": False,
    "legend.fontsize": 13,
    "figure.facecolor": "white",
    "savefig.dpi": 160,
}

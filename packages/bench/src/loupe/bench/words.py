"""How looks, fits and means are called on pages and on the screen, the same everywhere."""

LOOK_WORDS = {
    "decided": "zoom as decided",
    "never": "without zoom",
    "random": "random crops",
    "centre": "centre crops",
    "truth": "true region",
    "whole": "the overview again",
    "forced": "zoom forced",
    "fast": "fast, no reasoning",
}
FIT_WORDS = {"logistic": "4-parameter logistic", "isotonic": "isotonic regression"}
MEAN_WORDS = {"macro": "macro mean", "weighted": "mean by images"}

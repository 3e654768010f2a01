"""The paper's own numbers (StreamingT2V, arXiv 2403.14773v2), beside those that are measured here.

They are of other models, at 720 x 720 pixels and with another estimator of optical flow: they may
be read for their order, never for their size.
"""

# Of the methods of Table 1: MAWE, SCuts and CLIP.
METHODS = {
    "StreamingT2V": ("52.3", "0.04", "31.73"),
    "FreeNoise": ("1298.4", "0", "31.55"),
    "SVD": ("857.2", "1.10", "23.95"),
    "I2VGen-XL": ("2846.4", "0.40", "27.28"),
    "SparseCtrl": ("6069.7", "5.48", "29.32"),
    "SEINE": ("718.9", "0.28", "30.13"),
    "OpenSora": ("1165.7", "0.16", "31.54"),
    "DynamiCrafter": ("176.7", "1.30", "27.79"),
}
# Which of them an arm is, or stands for.
STANDS_FOR = {
    "cam": ("StreamingT2V",),
    "freenoise": ("FreeNoise",),
    "freenoise-animatediff": ("FreeNoise",),
    "last-anchor": ("SVD", "I2VGen-XL"),
    "repeated-frame": ("SVD", "I2VGen-XL", "DynamiCrafter"),
    "replacement": ("SEINE",),
    "masked-frames": ("SEINE", "OpenSora"),
    "sparse-cond": ("SparseCtrl",),
    "sparsectrl": ("SparseCtrl",),
    "svd": ("SVD",),
    "svd-xt": ("SVD",),
    "i2vgen-xl": ("I2VGen-XL",),
}
RANDOMIZED_BLENDING = {
    "independent": "8.72 (B)",
    "shared_noise": "6.01 (B+S)",
    "joint": "3.32 (B+S+RB)",
}
# By suite and metric, of arms. MAWE's form is not known, so its numbers stand for all three.
ABLATIONS = {
    "conditioning": {
        "scuts": {
            "no-apm": "0.03 (CAM, no APM)",
            "cam-twin": "0.03 (CAM, no APM)",
            "conc-cond": "0.24 (Conc-Cond, no APM)",
            "add-cond": "0.284 (Add-Cond, no APM)",
        }
    },
    "apm": {
        "re_id": {"cam": "94.95", "no-apm": "93.42"},
        "lpips": {"cam": "0.151", "no-apm": "0.192"},
    },
    "blending": {"std_pix": RANDOMIZED_BLENDING, "std_t": RANDOMIZED_BLENDING},
    "stability": {
        "mawe": {"cam": "43.25, 46.92, 46.79, 45.79, 45.84, 45.84 after 120, 140, ..., 220 frames"},
        "clip_score": {
            "cam": "32.45, 32.30, 32.16, 32.02, 31.89, 31.79 after 120, 140, ..., 220 frames"
        },
    },
}


def paper_figure(suite: str, metric: str, arm: str) -> str:
    """The paper's number for the method that an arm stands for; empty if there is none."""
    metric = "mawe" if metric.startswith("mawe") else metric
    if suite == "table1":
        columns = ("mawe", "scuts", "clip_score")
        names = STANDS_FOR.get(arm, ()) if metric in columns else ()
        return ", ".join(f"{METHODS[name][columns.index(metric)]} ({name})" for name in names)
    return ABLATIONS.get(suite, {}).get(metric, {}).get(arm, "")

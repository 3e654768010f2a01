"""`longtake benchmark`: the paper's tables and ablations, on the stack of a preset.

`suites` says what each compares, `plan` what a command asks for; neither loads torch.
"""

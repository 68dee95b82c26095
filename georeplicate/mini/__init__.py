"""The mini stand-in: a tiny Qwen2.5-VL, how its base was made, what it is shown, and whether that can be learnt.

`internvl`: a tiny InternVL beside it, with the base's decoder and a tower of its own, for Table 1.
For dry runs of photographs: `layouts` (random checkpoints as published ones lie on disk), `cities` (a CV-Cities tree).
"""

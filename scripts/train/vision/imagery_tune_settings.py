"""What imagery_tune.py compares, in the order in which it is tried while time is left."""
C = 1e-3
# name: layers, what of the picture, C, rate of the norms, rate of the head, passes over all pictures, seed
SETTINGS = {
    "layer 8": ((8,), "whole", C, 0, 0, 0, 0),
    "norms 1e-3, 12 passes": ((8,), "whole", C, 1e-3, 1e-3, 12, 0),
    "layer 6": ((6,), "whole", C, 0, 0, 0, 0),
    "layer 10": ((10,), "whole", C, 0, 0, 0, 0),
    "layers 6 and 8": ((6, 8), "whole", C, 0, 0, 0, 0),
    "layers 6, 8 and 10": ((6, 8, 10), "whole", C, 0, 0, 0, 0),
    "layer 8, C 1e-4": ((8,), "whole", 1e-4, 0, 0, 0, 0),
    "layer 8, C 1e-2": ((8,), "whole", 1e-2, 0, 0, 0, 0),
    "layer 8, native crop": ((8,), "crop", C, 0, 0, 0, 0),
    "norms 3e-4, 12 passes": ((8,), "whole", C, 3e-4, 1e-3, 12, 0),
    "native crop, norms 1e-3, 12 passes": ((8,), "crop", C, 1e-3, 1e-3, 12, 0),
    "norms 3e-3, 12 passes": ((8,), "whole", C, 3e-3, 1e-3, 12, 0),
    "norms 1e-3, 30 passes": ((8,), "whole", C, 1e-3, 1e-3, 30, 0),
    "layers 6 and 8, norms 1e-3, 12 passes": ((6, 8), "whole", C, 1e-3, 1e-3, 12, 0),
    "norms 1e-3, 12 passes, seed 1": ((8,), "whole", C, 1e-3, 1e-3, 12, 1),
    "layer 10, norms 1e-3, 12 passes": ((10,), "whole", C, 1e-3, 1e-3, 12, 0),
}

"""Trains one small I420-native network that restyles pictures after several paintings."""

import torch

# It is of no use to what is done here, and says at every turn that it does not know a processor.
torch.backends.nnpack.set_flags(False)

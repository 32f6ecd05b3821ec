"""The way of the reference architecture "Batch scoring on Azure for deep learning models": one rank's part of a folder of
JPEG frames, each read, put through the model, and written as a JPEG again. The model takes and gives RGB, 0..255, NCHW.

    mpirun -np N python jpeg_frames.py MODEL FRAMES_FOLDER STYLED_FOLDER THREADS
"""

import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

model, frames, styled, threads = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
rank = int(os.environ.get("OMPI_COMM_WORLD_RANK", 0))
size = int(os.environ.get("OMPI_COMM_WORLD_SIZE", 1))

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
for path in sorted(frames.iterdir())[rank::size]:
    picture = np.asarray(Image.open(path).convert("RGB"), np.float32).transpose(2, 0, 1)[None]
    output = session.run(None, {name: picture})[0][0]
    Image.fromarray(output.clip(0, 255).astype(np.uint8).transpose(1, 2, 0)).save(styled / path.name, quality=95)

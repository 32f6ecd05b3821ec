"""What a network is trained on: photographs out of files and folders, and frames spread over videos, by the ffmpeg program."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .data import PHOTOGRAPHS, list_photographs

HELD_BACK = 20  # photographs, unless somebody says otherwise
FRAMES = 300  # of all videos together
SIDE = 480  # most pixels of a frame's short side: a window's own 256 to 448, and room to choose


def run(command: list[str], video: Path) -> bytes:
    """What an ffmpeg program prints. Ends this one where it is missing or fails."""
    try:
        done = subprocess.run([*command[:1], "-v", "error", *command[1:]], capture_output=True)
    except FileNotFoundError:
        raise SystemExit(f"{command[0]} is not installed, and reads {video}: install ffmpeg, or give a folder of photographs") from None
    if done.returncode != 0:
        why = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise SystemExit(f"{video} is neither a photograph ({', '.join(PHOTOGRAPHS)}) nor a video that ffmpeg reads: {why[-1]}")
    return done.stdout


def frames_of(video: Path, count: int, folder: Path) -> list[Path]:
    """At most `count` frames, evenly spread and made small, as files in the folder, which is made.

    Where a video has key frames enough, only these are decoded, since all of a long one would take minutes.
    """
    probe = ["ffprobe", "-select_streams", "v:0", "-show_entries", "packet=flags", "-of", "csv=p=0", str(video.absolute())]
    flags = run(probe, video).split()
    keys = sum(flag.startswith(b"K") for flag in flags)
    only_keys = keys >= count
    step = max(1, (keys if only_keys else len(flags)) // count)
    sides = f"scale='if(lt(iw,ih),min({SIDE},iw),-2)':'if(lt(iw,ih),-2,min({SIDE},ih))'"
    folder.mkdir(parents=True)
    command = ["ffmpeg", *(["-skip_frame", "nokey"] if only_keys else []), "-i", str(video.absolute()), "-map", "0:v:0"]
    command += ["-vf", f"select='not(mod(n,{step}))',{sides}", "-fps_mode", "passthrough", "-frames:v", str(count)]
    if flags:
        run([*command, str(folder / "%05d.png")], video)
    paths = sorted(folder.iterdir())
    if not paths:
        raise SystemExit(f"{video} has no video frames: --content takes a video, or a folder of photographs")
    return paths


def photographs_of(sources: list[Path], scratch: Path) -> list[Path]:
    """All photographs of the sources: each a folder of them, a photograph or a video. Frames of videos go to `scratch`."""
    for source in sources:
        if not source.exists():
            raise SystemExit(f"{source} does not exist: --content takes videos, photographs and folders of photographs")
    videos = [source for source in sources if not source.is_dir() and source.suffix.lower() not in PHOTOGRAPHS]
    paths: list[Path] = []
    for number, source in enumerate(sources):
        if source.is_dir():
            paths += list_photographs(source, 0)[0]
        elif source in videos:
            paths += frames_of(source, max(1, FRAMES // len(videos)), scratch / str(number))
        else:
            paths.append(source)
    return paths


def divided(paths: list[Path], held_back: int | None, fitting: bool) -> tuple[list[Path], list[Path]]:
    """(for training, held back): the last `held_back`; for a fit that does not say the middle one, which shows more than credits."""
    if held_back is None and fitting:
        middle = len(paths) // 2
        training, kept = paths[:middle] + paths[middle + 1 :], [paths[middle]]
    else:
        count = HELD_BACK if held_back is None else held_back
        training, kept = paths[: max(0, len(paths) - count)], paths[-count:] if count else []
    if not training:
        raise SystemExit(f"--content gives {len(paths)} pictures, and {len(kept)} of them are held back: it takes more, better hundreds")
    return training, kept

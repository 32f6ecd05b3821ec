/** What a video's first frames tell that its headers do not. */
import { ffprobeLines } from './ffmpeg.js';
import { FfmpegFailure } from './ffmpeg-messages.js';
import type { SourceFacts, VideoFacts } from './source-facts.js';

/** The codecs whose frames may hold captions (CEA-608 or -708) in a form that ffmpeg knows. */
const CAPTIONED: ReadonlySet<string> = new Set(['h264', 'hevc', 'mpeg2video', 'mpeg1video', 'av1']);
/** The job decodes these frames anyway, so that this costs no more than two seconds of most videos in decoding. */
const FRAMES = 50;

/** Whether there are closed captions within one of the first 50 frames. Errors: JobError('ffmpeg') where ffprobe cannot be started. */
export async function hasCaptions(source: SourceFacts): Promise<boolean> {
  const { video } = source;
  if (!CAPTIONED.has(video.codec)) return false;
  return (await firstLine(source, FRAMES, 'frame_side_data=side_data_type', /A53/)) !== undefined;
}

/** The colour tags that the first frame has, where the stream has none: from FFmpeg 7 on it does not tell of ProRes's. */
export async function withFrameTags(source: SourceFacts): Promise<SourceFacts> {
  const { video } = source;
  if (video.codec !== 'prores') return source;
  const entries = 'frame=color_space,color_primaries,color_transfer';
  const line = (await firstLine(source, 1, entries, /color_/)) ?? '';
  const tag = (name: string): string | undefined => {
    const value = new RegExp(`\\b${name}=([^|]+)`).exec(line)?.[1];
    return value === 'unknown' || value === 'reserved' ? undefined : value;
  };
  const tags: Partial<VideoFacts> = {
    matrixTag: video.matrixTag ?? tag('color_space'),
    primariesTag: video.primariesTag ?? tag('color_primaries'),
    transferTag: video.transferTag ?? tag('color_transfer'),
  };
  return { ...source, video: { ...video, ...tags } };
}

/** The first line of what ffprobe says of the first frames that matches; undefined too where they cannot be decoded. */
async function firstLine(
  { path, openOptions, video }: SourceFacts,
  frames: number,
  entries: string,
  wanted: RegExp,
): Promise<string | undefined> {
  const from = ['-select_streams', `${video.index}`, '-read_intervals', `%+#${frames}`];
  const args = [...openOptions, ...from, '-show_entries', entries, '-of', 'compact=p=0'];
  try {
    for await (const line of ffprobeLines(path, args)) {
      if (wanted.test(line)) return line;
    }
  } catch (error) {
    // What is damaged is for the decoder to tell.
    if (!(error instanceof FfmpegFailure) || error.exitCode === undefined) throw error;
  }
  return undefined;
}

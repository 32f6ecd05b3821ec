/** Finds out the version, the encoders and the filters of this ffmpeg. */
import { askFfmpeg } from './ffmpeg.js';

let encoderNames: Promise<ReadonlySet<string>> | undefined;

/**
 * Returns ffmpeg's version as it names itself, e.g. `5.1.9-0+deb12u1`.
 *
 * @throws {JobError} ffmpeg: when ffmpeg cannot be run.
 */
export async function ffmpegVersion(): Promise<string> {
  const text = await askFfmpeg(['-version']);
  return /^ffmpeg version (\S+)/.exec(text)?.[1] ?? 'unknown';
}

/**
 * Returns whether this ffmpeg has the encoder `name` (e.g. `libx264`).
 *
 * @throws {JobError} ffmpeg: when ffmpeg cannot be run.
 */
export async function hasEncoder(name: string): Promise<boolean> {
  encoderNames ??= askFfmpeg(['-encoders']).then(
    // ` V....D libx264   description`
    (text) => new Set([...text.matchAll(/^ [VAS][A-Z.]{5} ([^\s=]\S*)/gm)].map((match) => match[1] ?? '')),
  );
  encoderNames.catch(() => {
    encoderNames = undefined;
  });
  return (await encoderNames).has(name);
}

/**
 * Returns whether an encoder of this ffmpeg takes a pixel format. ffmpeg itself only warns, and encodes
 * another one. An encoder that names none takes all.
 *
 * @throws {JobError} ffmpeg: when ffmpeg cannot be run.
 */
export async function takesPixelFormat(encoder: string, pixelFormat: string): Promise<boolean> {
  const text = await askFfmpeg(['-h', `encoder=${encoder}`]);
  const formats = /^\s*Supported pixel formats: (.*)$/m.exec(text)?.[1];
  return formats === undefined || formats.trim().split(/\s+/).includes(pixelFormat);
}

/**
 * Returns whether this ffmpeg has the filter `name` (e.g. `libvmaf`).
 *
 * @throws {JobError} ffmpeg: when ffmpeg cannot be run.
 */
export async function hasFilter(name: string): Promise<boolean> {
  // ` TS. psnr   VV->V   description`
  const rows = (await askFfmpeg(['-filters'])).matchAll(/^ [T.][S.][C.] (\S+) /gm);
  return [...rows].some(([, own]) => own === name);
}

/** The work of a sheet: its frames, and their way through each model. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FrameSource } from '../../pipeline/decode-stage.js';
import type { FrameRun } from '../../pipeline/decode-windows-stage.js';
import { syncFile } from '../../system/durable.js';
import type { RunContext } from '../context/context.js';
import { withDisplayName } from '../prepare/source.js';
import { clockText, spreadTimes } from './clock-times.js';
import { type ComposedVariant, shownSize, shownSource } from './composed.js';
import { guardedEnds } from './guarded-ends.js';
import { frameOf, type HeldFrame, type Moment, momentAt, runOf } from './moments.js';
import type { PreparedPreview } from './prepare-preview.js';
import type { PreviewForm, PreviewOptions } from './preview-options.js';
import type { PreviewWork } from './preview-work.js';
import { openSheet } from './sheet.js';

/** Frames of a sheet where nobody gives times. */
const TIMES = 3;

/** A frame of a sheet. */
interface SheetFrame {
  readonly label: string;
  readonly frame: HeldFrame;
  /** Undefined for a picture. */
  readonly moment: Moment | undefined;
}

/**
 * Decodes the frames of a sheet, and puts them on it.
 *
 * @throws {JobError} as `momentAt` and `openSheet`.
 */
export async function openSheetWork(
  { log, stop }: Pick<RunContext, 'log' | 'stop'>,
  options: PreviewOptions,
  { format }: PreviewForm & { readonly kind: 'sheet' },
  { input, models }: PreparedPreview,
  folder: string,
): Promise<PreviewWork> {
  const frames = await framesOf(options, input, models, stop.aborted);
  for (const line of new Set(frames.flatMap(({ moment }) => moment?.warnings ?? []))) log.warn(line);
  const sheet = openSheet({
    frame: shownSize(input),
    times: frames.map(({ label }) => label),
    models: models.map(({ variant, scale }) => ({ ...variant.label, scale })),
  });
  for (const [time, { frame }] of frames.entries())
    await sheet.put(time, undefined, shownSource(input, frame.data));
  const parts = models.map((model, number) => {
    const sink = {
      async write(row: Uint8Array, pts: number): Promise<void> {
        const shown = frames.flatMap(({ frame }, time) => (frame.pts === pts ? [time] : []));
        if (shown.length === 0) return; // only the states needed it
        const styled = model.show(row);
        for (const time of shown) await sheet.put(time, number, styled);
      },
    };
    return { model, ends: guardedEnds(sourceOf(frames), runsOf(frames, model), sink, stop) };
  });
  return {
    parts,
    async finish() {
      const path = join(folder, 'sheet');
      await writeFile(path, await sheet.file(format));
      await syncFile(path);
      const { width, height } = sheet.size;
      const what = input.kind === 'picture' ? 'picture' : 'frame';
      const content = `${counted(frames.length, what)} through ${counted(models.length, 'model')}, ${width}x${height}`;
      return { path, content };
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** Decodes the frames. Of times that are not asked for, those that show the same frame count once. */
async function framesOf(
  { at, tolerant }: PreviewOptions,
  input: PreparedPreview['input'],
  models: readonly ComposedVariant[],
  stopped: AbortSignal,
): Promise<readonly SheetFrame[]> {
  if (input.kind === 'picture')
    return [{ label: '', frame: { pts: 0, data: input.picture.samples }, moment: undefined }];
  const { source, wire, file } = input;
  const times = at ?? spreadTimes(source.video.duration ?? source.duration, TIMES);
  const needs = models.map((model) => model.needs);
  const frames: SheetFrame[] = [];
  for (const seconds of times) {
    const moment = await withDisplayName(file, () =>
      momentAt({ source, wire, tolerant, needs, stopped }, seconds),
    );
    const frame = frameOf(moment);
    if (at === undefined && frames.some((other) => other.frame.pts === frame.pts)) continue;
    frames.push({ label: clockText(seconds), frame, moment });
  }
  return frames;
}

/** Returns each frame once, as a source of a pipeline. */
function sourceOf(frames: readonly SheetFrame[]): FrameSource {
  const left = onceEach(frames);
  return {
    async read(into) {
      const next = left.shift();
      if (next === undefined) return undefined;
      into.set(next.frame.data);
      return next.frame.pts;
    },
  };
}

/** Returns each frame once, as runs of a pipeline for a model that needs others beside it. */
function runsOf(frames: readonly SheetFrame[], { needs }: ComposedVariant): readonly FrameRun[] {
  return onceEach(frames).flatMap(({ moment }) => (moment === undefined ? [] : [runOf(moment, needs)]));
}

function onceEach(frames: readonly SheetFrame[]): SheetFrame[] {
  return [...new Map(frames.map((one) => [one.frame.pts, one])).values()];
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

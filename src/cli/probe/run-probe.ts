import { type LocalCopy, openSource, withDisplayName } from '../../job/prepare/source.js';
import type { Log } from '../../report/log.js';
import { printable, printableJson } from '../../report/printable.js';
import { clock } from '../../report/progress.js';
import { parseLocation } from '../../storage/location/location.js';
import { openScratch } from '../../system/scratch.js';
import { watchForStop } from '../../system/stop.js';
import { chooseChroma, holdsChroma, sourceChroma } from '../../video/codecs/chroma.js';
import { CODECS, type Codec } from '../../video/codecs/codec.js';
import { CODEC_FACTS } from '../../video/codecs/codecs.js';
import { chooseDepth } from '../../video/codecs/depth.js';
import { unfitForNvdec, unfitForNvenc } from '../../video/codecs/nvidia.js';
import { containerFor } from '../../video/formats/container.js';
import { hdrParts } from '../../video/formats/hdr-metadata.js';
import {
  type DecodeTrial,
  type EncodeTrial,
  plainSpec,
  tryNvdec,
  tryNvenc,
} from '../../video/frames/nvidia-trial.js';
import { wirePlan } from '../../video/frames/wire.js';
import type { StreamPlan } from '../../video/mux/stream-plan.js';
import { probe, type SourceFacts, sourceLimits } from '../../video/source/probe.js';
import { planStreams } from '../../video/streams/streams.js';
import type { ProbeCommand } from './parse-probe.js';

/** Prints what a job would see in `input`, a path or an address, and would do for MP4 and Matroska. */
export async function probeCommand(
  { input, json, video, frameSize }: Omit<ProbeCommand, 'kind'>,
  log: Log,
): Promise<number> {
  await using scratch = openScratch();
  using stop = watchForStop(() => {});
  const copy = await openSource(parseLocation(input), { log, scratch, stopped: stop.aborted });
  return await withDisplayName(copy, async () =>
    show(copy, await probe(copy.path, sourceLimits(), video), { json, frameSize }, await scratch.folder()),
  );
}

async function show(
  copy: LocalCopy,
  source: SourceFacts,
  { json, frameSize }: Pick<ProbeCommand, 'json' | 'frameSize'>,
  folder: string,
): Promise<number> {
  const plans = [];
  for (const name of ['mp4', 'mkv'] as const) {
    const container = containerFor(`output.${name}`);
    const streams = await planStreams(source, container, 'h264', async () => folder);
    const encoding = { codec: 'h264', preset: undefined } as const;
    const depth = chooseDepth('auto', source.video, encoding);
    const chroma = chooseChroma('auto', source.video, encoding);
    plans.push({ name, wire: wirePlan(source.video, container, depth, chroma, frameSize), streams });
  }
  const hardware = await tryEngines(source, folder);
  if (json) {
    process.stdout.write(
      `${printableJson({ source: { ...source, path: copy.display }, plans, hardware }, 2)}\n`,
    );
    return 0;
  }
  const lines = [
    ...sourceLines({ ...source, path: copy.display }),
    `for --hwaccel: NVDEC ${verdict(hardware.nvdec)}; NVENC, for h264 of this size, ${verdict(hardware.nvenc)}`,
  ];
  for (const { name, wire, streams } of plans) {
    lines.push(
      '',
      `to ${name}: ${wire.format.width}x${wire.format.height} ${wire.format.sample.name}, ${wire.format.matrix}, ${wire.format.range} range`,
    );
    for (const note of wire.notes) lines.push(`  ${note}`);
    lines.push(...streamLines(source, streams));
  }
  process.stdout.write(lines.map((line) => `${printable(line)}\n`).join(''));
  return 0;
}

/** Tries --hwaccel auto on the first GPU, for H.264 output of the source's size. */
async function tryEngines(source: SourceFacts, folder: string) {
  const spec = plainSpec(source.video.width, source.video.height);
  const unfit = { nvdec: unfitForNvdec(source.video), nvenc: unfitForNvenc(spec) };
  const wire = wirePlan(source.video, { carriesDisplayMatrix: true });
  const [nvdec, nvenc] = await Promise.all([
    unfit.nvdec === undefined ? tryNvdec(source, wire, 0) : { works: false as const, why: unfit.nvdec },
    unfit.nvenc === undefined ? tryNvenc(spec, 0, folder) : { works: false as const, why: unfit.nvenc },
  ]);
  return { nvdec, nvenc };
}

function verdict(trial: DecodeTrial | EncodeTrial): string {
  return trial.works ? 'works' : `does not: ${trial.why}`;
}

function sourceLines(source: SourceFacts): string[] {
  const { video } = source;
  const rate =
    video.averageRate === undefined
      ? 'unknown rate'
      : `${(video.averageRate.num / video.averageRate.den).toFixed(3)} fps on average`;
  const frames =
    video.frames === undefined
      ? 'an unknown number of frames'
      : `${video.framesDeclared ? '' : 'about '}${video.frames} frames`;
  const duration = video.duration ?? source.duration;
  return [
    `${source.path}: ${source.format}, ${source.bytes} bytes${duration === undefined ? '' : `, ${clock(duration)}`}`,
    `video: ${video.codec}, ${video.width}x${video.height}, ${video.pixelFormat}, ${rate}, ${frames}`,
    `timing: time base ${video.timeBase.num}/${video.timeBase.den}, first PTS ${video.startPts ?? 'unknown'}`,
    `colour: matrix ${video.matrixTag ?? 'not tagged'}, primaries ${video.primariesTag ?? 'not tagged'}, transfer ${video.transferTag ?? 'not tagged'}, range ${video.rangeTag ?? 'not tagged'}`,
    ...depthLines(video),
    ...(video.rotation === 0 ? [] : [`shown turned by ${video.rotation} degrees`]),
    `streams: ${source.streams.map(streamName).join(', ')}; ${source.chapters} chapters`,
    ...source.notes,
  ];
}

/** Returns what there is to know of video that is deeper than 8 bits, HDR, or of more chroma than 4:2:0. */
function depthLines(video: SourceFacts['video']): readonly string[] {
  const { bitDepth, hdr10, dynamicHdr = [] } = video;
  const deep = (codec: Codec) => chooseDepth('auto', video, { codec, preset: undefined }).bits > 8;
  const metadata = [...(hdr10 === undefined ? [] : [hdrParts(hdr10)]), ...dynamicHdr];
  return [
    ...(bitDepth > 8
      ? [`depth: ${bitDepth} bits per sample, more than 8 with ${CODECS.filter(deep).join(', ')}`]
      : []),
    ...chromaLines(video),
    ...(metadata.length > 0 ? [`HDR metadata: ${metadata.join(', ')}`] : []),
  ];
}

/** Returns which codecs keep more chroma than 4:2:0, with the preset that keeps most. */
function chromaLines(video: SourceFacts['video']): readonly string[] {
  if (holdsChroma('420', video)) return [];
  const keeping = CODECS.flatMap((codec) => {
    const { preset } = CODEC_FACTS[codec];
    const all = typeof preset === 'string' ? [undefined] : [undefined, ...preset.allowed];
    const found = all
      .map((one) => ({ one, chosen: chooseChroma('auto', video, { codec, preset: one }) }))
      .find(({ chosen }) => holdsChroma(chosen.chroma, video));
    return found === undefined ? [] : [found.one === undefined ? codec : `${codec} --preset ${found.one}`];
  });
  return [
    `chroma: ${sourceChroma(video)}, kept by models that take RGB with ${keeping.join(', ')}; others keep it with --chroma`,
  ];
}

function streamName(stream: SourceFacts['streams'][number]): string {
  const { index, type, codec, width, height } = stream;
  const size = width === undefined || height === undefined ? '' : ` ${width}x${height}`;
  return `${index} ${type} ${codec}${size}`;
}

function streamLines(source: SourceFacts, plan: StreamPlan): readonly string[] {
  const actions = plan.actions.map((action) => {
    const stream = source.streams.find((one) => one.index === action.index);
    return `${action.index} ${stream?.type ?? ''} ${verb(action)}`;
  });
  return [`  streams: ${actions.join(', ')}`, ...plan.notes.map((note) => `  ${note}`)];
}

function verb(action: StreamPlan['actions'][number]): string {
  switch (action.kind) {
    case 'video':
      return 'restyled';
    case 'copy':
      return 'copied';
    case 'convert':
      return `converted (${action.encoder})`;
    case 'attach':
      return 'attached';
    case 'remade':
      return 'written anew';
    case 'drop':
      return 'left out';
  }
}

/**
 * What becomes of the other streams, over every codec that this ffmpeg can make: `audio` or `subtitles`, then
 * names of encoders (all, without any). `--most N` containers an encoder (3), `--to mp4,mkv`. Prints a line
 * for each clip and output, and counts. Not a tap test: minutes long, run by hand on every version of FFmpeg
 * that is to be known.
 */
import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ffprobeLines } from '../../src/video/ffmpeg/ffmpeg.js';
import { probe } from '../../src/video/source/probe.js';
import { finish } from '../fixtures/finish.js';
import { audioClips, type MatrixClip } from './audio-clips.js';
import { subtitleClips } from './subtitle-clips.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    most: { type: 'string', default: '3' },
    to: { type: 'string', default: 'mp4,mov,mkv,webm' },
    clip: { type: 'string', default: '' },
  },
});
const [suite = 'audio', ...only] = positionals;
const outputs = values.to.split(',');

interface Outcome {
  readonly kind: 'done' | 'converted' | 'left out' | 'wrong';
  readonly words: string;
}

/** Of streams that are decoded: padding of encoders is told otherwise by each container. */
const SLACK_SECONDS = 0.12;

/** How long audio is: by its samples, and by the times at which they are played, 0 where there are none. */
async function seconds(path: string, place: number) {
  let [samples, rate, first, end] = [0, 0, Number.NaN, 0];
  const frame = 'frame=nb_samples,pts_time,duration_time,pkt_duration_time';
  const entries = ['-show_entries', `${frame}:stream=sample_rate`, '-of', 'compact'];
  for await (const line of ffprobeLines(path, ['-select_streams', `a:${place}`, ...entries])) {
    const told = new Map(line.split('|').map((entry) => entry.split('=', 2) as [string, string]));
    rate = Number(told.get('sample_rate') ?? rate);
    samples += Number(told.get('nb_samples') ?? 0);
    const time = Number(told.get('pts_time') ?? Number.NaN);
    if (Number.isNaN(time)) continue;
    if (Number.isNaN(first)) first = time;
    end = Math.max(end, time + (Number(told.get('duration_time') ?? told.get('pkt_duration_time')) || 0));
  }
  return { decoded: rate === 0 ? 0 : samples / rate, played: Number.isNaN(first) ? 0 : end - first };
}

async function packets(path: string, selector: string): Promise<number> {
  let count = 0;
  const entries = ['-show_entries', 'packet=size', '-of', 'csv=p=0'];
  for await (const line of ffprobeLines(path, ['-select_streams', selector, ...entries])) {
    if (Number.parseInt(line, 10) > 2) count++;
  }
  return count;
}

/** The times of the frames: AVI and the like tell those of few. */
async function times(clip: MatrixClip): Promise<readonly number[]> {
  const { video } = await probe(clip.path);
  const entries = ['-show_entries', 'frame=best_effort_timestamp', '-of', 'csv=p=0'];
  const found: number[] = [];
  const frame = Math.round(video.timeBase.den / video.timeBase.num / 25);
  for await (const line of ffprobeLines(clip.path, ['-select_streams', `${video.index}`, ...entries])) {
    if (line === '') continue;
    const time = Number.parseInt(line, 10);
    const next = (found.at(-1) ?? -frame) + frame;
    found.push(Number.isSafeInteger(time) ? time : next);
  }
  return found;
}

async function outcome(clip: MatrixClip, extension: string): Promise<Outcome> {
  const codec = extension === 'webm' ? 'vp9' : 'h264';
  let path: string | undefined;
  try {
    const finished = await finish(clip.path, extension, { codec, size: '64x64', pts: await times(clip) });
    path = finished.path;
    const { source, streams, notes, warnings } = finished;
    const said = [...streams.notes, ...notes, ...warnings].join(' | ');
    const main = finished.carried.actions.filter(({ index }) =>
      source.streams.some(({ index: at, type }) => at === index && (type === 'audio' || type === 'subtitle')),
    );
    const kinds = main.map(({ kind }) => kind);
    const kind = kinds.includes('drop') ? 'left out' : kinds.includes('convert') ? 'converted' : 'done';
    if (kind !== 'done' && said === '') return { kind: 'wrong', words: `${kind} without a line` };
    const output = await probe(path);
    for (const type of ['audio', 'subtitle'] as const) {
      const kept = main.filter(
        ({ index, kind: what }) =>
          what !== 'drop' && source.streams.some((stream) => stream.index === index && stream.type === type),
      );
      const there = output.streams.filter((stream) => stream.type === type);
      if (there.length !== kept.length) {
        return { kind: 'wrong', words: `${there.length} of ${kept.length} of ${type} are there` };
      }
      if (kept.length === 0) continue;
      if (type === 'audio') {
        const [was, is] = [await seconds(clip.path, 0), await seconds(path, 0)];
        // What is converted is played at its samples' own times, whatever the source says of them.
        for (const how of kind === 'done' ? (['decoded', 'played'] as const) : (['decoded'] as const)) {
          if (was[how] > 0 && Math.abs(was[how] - is[how]) > SLACK_SECONDS)
            return { kind: 'wrong', words: `${is[how]} s are ${how} instead of ${was[how]} s: ${said}` };
        }
      } else {
        const [was, is] = [await packets(clip.path, 's:0'), await packets(path, 's:0')];
        const merged = source.streams.some(({ codec }) => codec === 'hdmv_pgs_subtitle');
        if (merged ? is === 0 : is < was)
          return { kind: 'wrong', words: `${is} packets instead of ${was}: ${said}` };
      }
    }
    return { kind, words: said };
  } catch (error) {
    return { kind: 'wrong', words: (error instanceof Error ? error.message : String(error)).slice(0, 300) };
  } finally {
    if (path !== undefined) rmSync(path, { force: true });
  }
}

const made = suite === 'audio' ? await audioClips(only, Number(values.most)) : await subtitleClips();
const clips = made.filter(({ name }) => name.includes(values.clip));
const counts: Record<Outcome['kind'], number> = { done: 0, converted: 0, 'left out': 0, wrong: 0 };
for (const clip of clips) {
  const found = new Map<string, Outcome>();
  for (const extension of outputs) found.set(extension, await outcome(clip, extension));
  for (const [extension, { kind, words }] of found) {
    const keepers = [...words.matchAll(/\.(mkv|mov|mp4)(?: and \.(mkv|mov))? keeps? it/g)].flatMap((match) =>
      match.slice(1).filter((name) => name !== undefined),
    );
    const untrue = keepers.filter((name) => (found.get(name)?.kind ?? 'done') !== 'done');
    const right = untrue.length === 0;
    counts[right ? kind : 'wrong']++;
    console.log(`${right ? kind : `wrong (${untrue})`}\t${clip.name} -> ${extension}\t${words}`);
  }
}
console.log(JSON.stringify({ clips: clips.length, ...counts }));

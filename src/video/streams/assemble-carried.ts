/**
 * Muxes the finished file in spite of faults in its other streams: streams that are refused are converted or
 * left out.
 */
import { rm } from 'node:fs/promises';
import { type Assembled, type AssembleJob, assemble, MuxRefusal } from '../mux/assemble.js';
import { streamAt, videoTrack } from '../mux/mux-command.js';
import { wrongStreams } from '../mux/stream-check.js';
import { nameOf, type StreamAction, type StreamPlan } from '../mux/stream-plan.js';
import { type FinishedFile, readFinished } from '../verify/finished-file.js';
import { tryStreams } from './mux-trial.js';
import { ladderFor } from './stream-ladder.js';

/** After so many refusals the file is written with no stream but the video. */
const MOST_REFUSALS = 6;

/** A finished file that was read back. */
export interface Carried extends Assembled {
  readonly file: FinishedFile;
}

/**
 * Writes the finished file as `assemble` does, and checks its streams. If one is refused, or is missing
 * afterwards, the file is written again with the next best action for that stream, and a warning says so.
 * Throws as `assemble`, but MuxRefusal only if the video itself is refused.
 */
export async function assembleCarried(job: AssembleJob): Promise<Carried> {
  let plan = job.streams;
  const warnings: string[] = [];
  for (let refusals = 0; ; refusals++) {
    const { assembled, wrong } = await attempt({ ...job, streams: plan });
    if (assembled !== undefined) return { ...assembled, warnings: [...warnings, ...assembled.warnings] };
    const refused = refusals < MOST_REFUSALS ? wrong : everyStream(plan, wrong);
    plan = withoutRefused(job, plan, refused, warnings);
  }
}

type Wrong = ReadonlyMap<number, string>;

async function attempt(job: AssembleJob): Promise<{ readonly assembled?: Carried; readonly wrong: Wrong }> {
  const { source, streams, output } = job;
  try {
    const assembled = await assemble(job);
    const file = await readFinished(output, videoTrack(source, assembled.streams));
    const written = file.facts;
    const wrong = new Map(wrongStreams(written, source, assembled.streams));
    // A fault of the video is left to another check, which ends the job.
    wrong.delete(source.video.index);
    if (wrong.size === 0) {
      const notes = [...assembled.notes, ...chapterNotes(job, written.chapters)];
      return { assembled: { ...assembled, notes, file }, wrong };
    }
    await rm(output, { force: true });
    return { wrong };
  } catch (error) {
    if (!(error instanceof MuxRefusal) || carriedActions(streams).length === 0) throw error;
    return { wrong: await culprits(job, error) };
  }
}

function chapterNotes({ source, container }: AssembleJob, written: number): readonly string[] {
  // Of a part, those outside it are no loss.
  const lost = source.range === undefined ? source.chapters - written : 0;
  if (lost <= 0) return [];
  const needs = container.isoMedia ? 'a title and a length' : 'a length';
  return [
    `${lost} of ${source.chapters} chapters ${lost === 1 ? 'is' : 'are'} left out: in .${container.name} each needs ${needs}.`,
  ];
}

/**
 * Returns the streams that are refused on their own. If there is none, returns all of the least important
 * kind.
 */
async function culprits(job: AssembleJob, error: MuxRefusal): Promise<Wrong> {
  if (error.stream !== undefined) return new Map([[error.stream, error.reason]]);
  const { source, container, segments, pts, tags, output, streams, signal } = job;
  const first = segments.slice(0, 1);
  const video = { segments: first, pts: pts.slice(0, first[0]?.order.length), tags };
  const stem = `${output}.trial`;
  const context = { source, video, audio: new Map(), stem, ...(signal === undefined ? {} : { signal }) };
  const wrong = new Map<number, string>();
  const carried = carriedActions(streams);
  for (const action of carried) {
    const alone = await tryStreams(context, container, [action], 'whole');
    for (const [index, reason] of alone.wrong) wrong.set(index, reason);
  }
  if (wrong.size > 0) return wrong;
  for (const type of ['attachment', 'data', 'subtitle', 'video', 'audio']) {
    const spared = carried.filter(({ index }) => streamAt(source, index).type === type);
    if (spared.length > 0) return new Map(spared.map(({ index }) => [index, error.reason]));
  }
  throw error;
}

function carriedActions(plan: StreamPlan): readonly StreamAction[] {
  return plan.actions.filter(({ kind }) => kind === 'copy' || kind === 'convert' || kind === 'attach');
}

function everyStream(plan: StreamPlan, wrong: Wrong): Wrong {
  const [reason = 'ffmpeg refused it'] = wrong.values();
  return new Map(carriedActions(plan).map(({ index }) => [index, wrong.get(index) ?? reason]));
}

function withoutRefused(job: AssembleJob, plan: StreamPlan, wrong: Wrong, warnings: string[]): StreamPlan {
  const { source, container } = job;
  const actions = plan.actions.map((action): StreamAction => {
    const reason = wrong.get(action.index);
    if (reason === undefined) return action;
    const stream = streamAt(source, action.index);
    const next = nextAction(action, ladderFor(stream, false, container, undefined));
    const what = next.kind === 'convert' ? `is converted (${next.encoder})` : 'is left out';
    const told = next.kind === 'copy' ? `its times are rounded to ${next.timeBase} s` : what;
    warnings.push(`${nameOf(stream)}: ${told}, because it could not be written as planned: ${reason}`);
    return next;
  });
  return { ...plan, actions };
}

/** An encoding that the user asked for is not on the ladder: after it comes the first way. */
function nextAction(action: StreamAction, ladder: readonly StreamAction[]): StreamAction {
  const place = ladder.findIndex((rung) => JSON.stringify(rung) === JSON.stringify(action));
  return ladder[place + 1] ?? { kind: 'drop', index: action.index };
}

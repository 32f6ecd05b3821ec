/** A rank's work in a job of pictures: decode, infer, encode. */
import { createHash } from 'node:crypto';
import { inferenceFailure } from '../../model/session/session-errors.js';
import type { World } from '../../mpi/world.js';
import { type DecodedPicture, decodePicture, UnusablePicture } from '../../pictures/decode.js';
import { encodePicture } from '../../pictures/encode.js';
import { type RankWork, StageMeter } from '../../pipeline/meter.js';
import { prefetch } from '../../pipeline/prefetch.js';
import { JobError, messageOf } from '../../system/errors.js';
import { isRefusal } from '../../system/refusal.js';
import { tableDecoder } from '../../table/decoder.js';
import { numberBytes, numbersIn } from '../../table/numbers.js';
import { type Activity, PIECE_WAIT } from '../../watchdog/activity.js';
import { type Channel, failedEnding } from '../split/channel.js';
import type { GroupOrder, GroupsFromRank, GroupsToRank, MadePicture, SentPicture } from './messages.js';
import type { Entry, PictureSession, PictureSessions } from './picture-sessions.js';

export interface PictureWorker {
  readonly world: World;
  readonly entry: Entry;
  readonly sessions: PictureSessions;
  /** True if NaN or infinity from the model makes a picture fail. */
  readonly strict: boolean;
  readonly channel: Channel<GroupsFromRank, GroupsToRank>;
  readonly activity: Activity;
}

interface Group {
  readonly order: GroupOrder;
  readonly files: readonly Uint8Array[];
  readonly began: number;
  readonly results: Result[];
}

interface Result {
  readonly facts: MadePicture;
  readonly data: Uint8Array;
}

/** A picture of a group, decoded or refused. */
interface Ready {
  readonly group: Group;
  readonly sent: SentPicture;
  readonly sha256: string;
  readonly picture: DecodedPicture | UnusablePicture;
}

type Decoded = Ready & { readonly picture: DecodedPicture };

/** Pictures that are decoded while another one is inferred. */
const AHEAD = 2;
/** Pictures that are encoded meanwhile. */
const ENCODED_AT_ONCE = 2;

/**
 * Makes the groups of pictures that the root sends, until it ends them. A picture that cannot be used is told
 * in the result of its group. Any other failure is reported to the root, and ends the work. Rejects only if
 * MPI fails.
 */
export async function workOnPictures(context: PictureWorker): Promise<RankWork> {
  const { world, channel, activity, entry } = context;
  const meter = new StageMeter(activity);
  const queue = groupQueue();
  const encoding: Promise<void>[] = [];
  let halted = false;
  let failure: { readonly error: unknown } | undefined;

  const fail = (error: unknown): void => {
    failure ??= { error };
    queue.end();
  };

  async function listen(): Promise<void> {
    for (;;) {
      const { value, bytes } = await channel.receive();
      if (value.kind === 'piece') queue.put(value, bytes);
      else queue.end();
      if (value.kind === 'stop') halted = true;
      if (value.kind === 'close') return;
    }
  }

  async function nextGroup(): Promise<Group | undefined> {
    const since = performance.now();
    const group = await activity.during(PIECE_WAIT, queue.take());
    meter.waited(since);
    return group;
  }

  async function* decoded(): AsyncGenerator<Ready, void, undefined> {
    const fit = entry.kind === 'fitted' ? entry.to : undefined;
    for (;;) {
      const group = await nextGroup();
      if (group === undefined) return;
      if (group.order.pictures.length === 0) await deliver(group);
      for (const [at, sent] of group.order.pictures.entries()) {
        if (halted || failure !== undefined) return;
        const bytes = group.files[at] ?? new Uint8Array(0);
        const sha256 = createHash('sha256').update(bytes).digest('hex');
        const picture = await meter.time('decode', decodePicture(bytes, fit).catch(unusable));
        yield { group, sent, sha256, picture };
      }
    }
  }

  /** Keeps the result of a picture, and sends those of its group when it is the last. */
  async function settle({ group, sent, sha256 }: Ready, result: Partial<MadePicture>, data?: Uint8Array) {
    const { place, stamp } = sent;
    if (result.error === undefined) meter.addFinished();
    const facts = { error: null, finite: true, shapes: null, furtherPages: 0, ...result };
    const bytes = data?.byteLength ?? 0;
    group.results.push({ facts: { place, stamp, sha256, bytes, ...facts }, data: data ?? new Uint8Array(0) });
    if (group.results.length === group.order.pictures.length) await deliver(group);
  }

  async function deliver({ order, began, results }: Group): Promise<void> {
    results.sort((a, b) => a.facts.place - b.facts.place);
    const facts = results.map((one) => one.facts);
    const data = Buffer.concat(results.map((one) => one.data));
    await channel.send({ kind: 'done', index: order.index, began, pictures: facts }, data);
  }

  /** Runs the model on pictures of one size. */
  async function run(batch: readonly Decoded[]): Promise<void> {
    const [first] = batch;
    if (first === undefined) return;
    let opened: PictureSession;
    try {
      opened = await context.sessions.of(first.picture.size);
    } catch (error) {
      if (!(error instanceof UnusablePicture)) throw error;
      for (const one of batch) await settle(one, { error: error.message });
      return;
    }
    const { session, graph, input, output, tensors } = opened;
    for (const [at, { picture }] of batch.entries()) input.set(picture.samples, at * graph.inputBytes);
    const ran = await meter.time('infer', session.run([input], [output, ...tensors]).catch(refusedRun));
    if (ran instanceof UnusablePicture) {
      for (const one of batch) await settle(one, { error: ran.message });
      return;
    }
    meter.addRun(batch.length);
    for (const [at, one] of batch.entries()) {
      const row = output.slice(at * graph.rowBytes, (at + 1) * graph.rowBytes);
      const { furtherPages } = one.picture;
      const finite = row.at(-1) === 1;
      if (!finite && context.strict) {
        await settle(one, { error: 'the model gave NaN or infinity', finite, furtherPages });
      } else if (graph.table !== undefined) {
        const { shapes } = graph.table;
        await settle(one, { finite, furtherPages, shapes }, packedRows(opened, one, at));
      } else {
        while (encoding.length >= ENCODED_AT_ONCE) await encoding.shift();
        const encoded = encode(one, row.subarray(0, -1), opened, { finite, furtherPages }).catch(fail);
        encoding.push(encoded);
      }
    }
  }

  async function encode(
    one: Decoded,
    samples: Uint8Array,
    { graph }: PictureSession,
    facts: Partial<MadePicture>,
  ) {
    const { format } = one.sent;
    if (graph.output === undefined || format === null)
      throw new JobError('internal', 'the model makes no picture');
    const file = await meter.time('encode', encodePicture(samples, graph.output, format).catch(unusable));
    if (file instanceof UnusablePicture) await settle(one, { ...facts, error: file.message });
    else await settle(one, facts, file);
  }

  async function work(): Promise<void> {
    const most = entry.kind === 'fitted' ? entry.graph.batch : 1;
    let batch: Decoded[] = [];
    for await (const one of prefetch(decoded(), AHEAD)) {
      if (halted || failure !== undefined) return;
      if (one.picture instanceof UnusablePicture) await settle(one, { error: one.picture.message });
      else batch.push({ ...one, picture: one.picture });
      // A short group is filled up: the next one may take long to come.
      const isLast = one.sent === one.group.order.pictures.at(-1);
      if (batch.length < most && !isLast) continue;
      await run(batch);
      batch = [];
    }
  }

  const listening = listen();
  listening.catch(() => queue.end()); // thrown below
  await work().catch(fail);
  await Promise.all(encoding);
  await channel.send(failure === undefined ? { kind: 'ended' } : failedEnding(world, failure.error));
  await listening;
  return meter.read();
}

/** Returns the packed rows of one of a batch. Boxes are in pixels of that picture. */
function packedRows({ graph, tensors }: PictureSession, { picture }: Decoded, at: number): Uint8Array {
  if (graph.table === undefined) throw new JobError('internal', 'the model makes no table');
  const { spec, shapes, types, geometry } = graph.table;
  const decoder = tableDecoder(spec, shapes, picture.geometry ?? geometry, graph.table);
  if (isRefusal(decoder)) throw new JobError('internal', decoder.refusal);
  const own = tensors.map(({ buffer, byteOffset, byteLength }, place) => {
    const type = types[place] ?? 'float32';
    const bytes = byteLength / graph.batch;
    return numbersIn(type, buffer, byteOffset + at * bytes, bytes / numberBytes(type));
  });
  const packed = new Uint8Array(decoder.frameBytes);
  decoder.decode(own, packed);
  return packed;
}

/** Returns why the model cannot run on these pictures. A device that fails would fail on all others too. */
function refusedRun(error: unknown): UnusablePicture {
  const failure = inferenceFailure(error, { first: 1, last: 1, batch: 1 });
  if (!(failure instanceof JobError) || failure.code === 'provider') throw failure;
  return new UnusablePicture(`the model cannot run on it: ${messageOf(error)}`);
}

function unusable(error: unknown): UnusablePicture {
  if (error instanceof UnusablePicture) return error;
  throw error;
}

/** Creates the queue of received groups that have not started. */
function groupQueue() {
  const waiting: Group[] = [];
  let ended = false;
  let wake: (() => void) | undefined;
  return {
    put(order: GroupOrder, data: Uint8Array): void {
      let from = 0;
      const files = order.pictures.map(({ stamp }) => {
        from += stamp.bytes;
        return data.subarray(from - stamp.bytes, from);
      });
      waiting.push({ order, files, began: Date.now(), results: [] });
      wake?.();
    },
    end(): void {
      ended = true;
      wake?.();
    },
    async take(): Promise<Group | undefined> {
      while (waiting.length === 0 && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return waiting.shift();
    },
  };
}

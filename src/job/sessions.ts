import { createHash } from 'node:crypto';
import { runBytes } from '../model/session/inference.js';
import type { SessionGraphs } from '../model/session/precision.js';
import { PROVIDERS } from '../model/session/providers.js';
import type { OpenedSession } from '../model/session/session.js';
import type { World } from '../mpi/world.js';
import type { PipelineShape } from '../pipeline/pipeline.js';
import type { Log } from '../report/log.js';
import { JobError, messageOf } from '../system/errors.js';
import type { ProviderName } from '../system/native.js';
import { TRIAL_RUN } from '../watchdog/activity.js';
import { onRoot } from './collective.js';
import type { RunContext } from './context/context.js';
import { firstPerNode } from './first-per-node.js';

/** The result of opening a rank's session, as sent to the root. */
type SessionStatement =
  | {
      readonly ok: true;
      readonly provider: ProviderName;
      readonly device: string | null;
      readonly precision: string;
      readonly fallback: string | null;
      readonly notes: string | null;
    }
  | {
      readonly ok: false;
      readonly rank: number;
      readonly host: string;
      readonly code: JobError['code'];
      readonly message: string;
      readonly hint: string | null;
    };

/** Most characters of a message that go to the root. */
const MESSAGE_CHARACTERS = 1000;

/**
 * Opens a session for the root's graphs on every rank, unless one is still open from an earlier video.
 * `dryRuns`, on the root, says which ranks make a dry run; without it all ranks do.
 *
 * @throws {RootFailed} when a rank fails: on all ranks, with the error of the first that failed.
 */
export async function openSessions(
  context: RunContext,
  shape: PipelineShape,
  graphs: SessionGraphs | undefined,
  dryRuns?: readonly boolean[],
): Promise<OpenedSession> {
  const { world, options, sessions, log, watchdog } = context;
  const { key, tries } = await world.broadcastValue(graphs && { key: keyOf(graphs), tries: dryRuns ?? [] });
  let opened = sessions.find(key);
  const lacking = await world.collect(opened === undefined);
  const anyLacks = await world.broadcastValue(lacking?.includes(true));
  if (!anyLacks && opened !== undefined) return opened;
  const received = await broadcastGraphs(world, graphs);
  const open = async (): Promise<SessionStatement> => {
    try {
      const opening = (): Promise<OpenedSession> =>
        sessions.open(key, received, {
          provider: options.provider,
          threads: options.threads,
          localRank: world.localRank,
          localSize: world.localSize,
          ...(shape.sample === undefined ? {} : { sample: shape.sample }),
          ...runBytes(shape),
          dryRun: tries[world.rank] ?? true,
        });
      opened ??= await watchdog.activity.during(TRIAL_RUN, opening());
      const { provider, device, precision, fallback, notes } = opened;
      return {
        ok: true,
        provider,
        device: short(device),
        precision,
        fallback: short(fallback),
        notes: short(notes.length > 0 ? notes.join('; ') : undefined),
      };
    } catch (error) {
      const { code, hint } =
        error instanceof JobError ? error : { code: 'internal' as const, hint: undefined };
      const message = messageOf(error).slice(0, MESSAGE_CHARACTERS);
      return { ok: false, rank: world.rank, host: world.host, code, message, hint: short(hint) };
    }
  };
  // The first rank of a node builds TensorRT's engines for the others.
  const cachesEngines = options.provider !== 'auto' && PROVIDERS[options.provider].cachesEngines;
  const statements = await firstPerNode(world, cachesEngines, open);
  await onRoot(world, async () => {
    for (const one of statements ?? []) if (!one.ok) throw sessionFailure(one, world);
    logProviders(log, statements ?? []);
  });
  if (opened === undefined) throw new JobError('internal', `rank ${world.rank} has no session`);
  return opened;
}

function keyOf({ fp32, fp16, int8 }: SessionGraphs): string {
  const hash = createHash('sha256').update(fp32);
  for (const graph of [fp16, int8]) if (graph !== undefined) hash.update(graph);
  return hash.digest('hex');
}

async function broadcastGraphs(world: World, graphs: SessionGraphs | undefined): Promise<SessionGraphs> {
  const fp32 = await world.broadcastBytes(graphs?.fp32);
  const fp16 = await world.broadcastBytes(graphs?.fp16);
  const int8 = await world.broadcastBytes(graphs?.int8);
  const some = (graph: Uint8Array) => (graph.byteLength === 0 ? undefined : graph);
  return { fp32, fp16: some(fp16), int8: some(int8) };
}

function sessionFailure(statement: SessionStatement & { readonly ok: false }, world: World): JobError {
  const where = world.size > 1 ? `rank ${statement.rank} on ${statement.host}: ` : '';
  return new JobError(
    statement.code,
    `${where}${statement.message}`,
    statement.hint === null ? {} : { hint: statement.hint },
  );
}

function logProviders(log: Log, statements: readonly SessionStatement[]): void {
  const named = ({ provider, device }: SessionStatement & { readonly ok: true }): string =>
    device === null ? provider : `${provider} on ${device}`;
  const opened = statements.flatMap((one) => (one.ok ? [one] : []));
  const providers = opened.map((one) => `${named(one)} in ${one.precision}`);
  const kinds = [...new Set(providers)];
  const counts = kinds
    .map((kind) => `${providers.filter((one) => one === kind).length} x ${kind}`)
    .join(', ');
  log.info(`${statements.length} rank${statements.length === 1 ? '' : 's'}: ${counts}`);
  const notes = new Set(statements.flatMap((one) => (one.ok && one.notes !== null ? [one.notes] : [])));
  for (const note of notes) log.info(note);
  const reason = statements.flatMap((one) => (one.ok && one.fallback !== null ? [one.fallback] : []))[0];
  const used = opened.find(({ fallback }) => fallback !== null)?.provider ?? 'cpu';
  if (reason !== undefined) log.warn(`falling back to ${PROVIDERS[used].title}: ${reason}`);
  if (kinds.length > 1 && opened.some(({ device }) => device !== null))
    log.warn('ranks on different devices give frames that may differ in their last bits');
}

function short(text: string | undefined): string | null {
  return text === undefined ? null : text.slice(0, MESSAGE_CHARACTERS);
}

import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../system/errors.js';
import { PROGRESS_METRICS } from '../telemetry/progress-metrics.js';
import { type Session, scalingError } from './aml-provision.js';
import type { SubmittedJob } from './aml-submit.js';
import { at, type Json, listAt, textAt } from './json.js';
import { faultOf, oneLine } from './refusals.js';
import { idIn, urlOf } from './workspace.js';

const POLL_MS = 15_000;
/** Short outages are tolerated; this many failed polls in a row are an error. */
const MAX_FAILED_POLLS = 20;

/** The job itself failed or was cancelled. Any other error only means that its state is unknown. */
export class JobFailed extends JobError {
  constructor(message: string, hint: string) {
    super('cloud', message, { hint });
  }
}

/**
 * Waits until the job has completed, and logs its state and progress.
 *
 * @throws {JobFailed} when the job failed, with its own error, or was cancelled.
 * @throws {JobError} cloud: when Azure no longer answers.
 */
export async function followJob(session: Session, job: SubmittedJob, cluster: string): Promise<void> {
  const { client, workspace, log } = session;
  const pause = session.pause ?? sleep;
  const doing = `asking for the state of the job ${job.name}`;
  const url = urlOf(client.management, idIn(workspace, 'jobs', job.name));
  let lastStatus = '';
  let failures = 0;
  for (;;) {
    let status: string;
    try {
      status =
        textAt((await client.send({ method: 'GET', url, doing })).body, 'properties', 'status') ?? 'Unknown';
      failures = 0;
    } catch (error) {
      failures += 1;
      if (failures === MAX_FAILED_POLLS) throw error;
      log.detail(`${doing} failed; trying again`);
      await pause(POLL_MS);
      continue;
    }
    const changed = status !== lastStatus;
    if (changed) log.info(`job ${job.name}: ${describe(status)}`, { job: job.name, status });
    lastStatus = status;
    switch (status) {
      case 'Completed':
        return;
      case 'Failed':
        throw await failureOf(session, job);
      case 'Canceled':
        throw new JobFailed(`the job ${job.name} was cancelled`, 'submit it again to resume it');
      case 'Queued':
        if (changed) await warnOfScalingError(session, cluster);
        break;
      case 'Running':
        await reportProgress(session, job);
        break;
      default:
        break;
    }
    await pause(POLL_MS);
  }
}

function describe(status: string): string {
  switch (status) {
    case 'Queued':
      return 'waiting for nodes';
    case 'Preparing':
    case 'Provisioning':
    case 'Starting':
    case 'NotStarted':
      return `preparing (${status})`;
    case 'NotResponding':
      return 'not responding';
    default:
      return status.toLowerCase();
  }
}

async function warnOfScalingError(session: Session, cluster: string): Promise<void> {
  const error = await scalingError(session, cluster).catch(() => undefined);
  if (error !== undefined) session.log.warn(error);
}

/** Logs the progress, if it can be read: a failure here must not end the wait. */
async function reportProgress(session: Session, job: SubmittedJob): Promise<void> {
  const { client, log } = session;
  try {
    const child = (await childrenOf(session, job)).find((run) => run.status === 'Running');
    const mlflow = serviceUrl(job.tracking, 'mlflow');
    if (child === undefined || mlflow === undefined) return;
    const url = `${mlflow}/api/2.0/mlflow/runs/get?run_id=${encodeURIComponent(child.id)}`;
    const { body } = await client.send({ method: 'GET', url, doing: 'reading the metrics of the job' });
    const metric = (key: string): number | undefined => {
      const found = listAt(body, 'run', 'data', 'metrics').find((one) => textAt(one, 'key') === key);
      const value = at(found, 'value');
      return typeof value === 'number' ? value : undefined;
    };
    const done = metric(PROGRESS_METRICS.framesDone);
    if (done === undefined) return;
    const total = metric(PROGRESS_METRICS.framesTotal);
    const rate = metric(PROGRESS_METRICS.framesPerSecond);
    const of = total === undefined ? '' : ` of ${total}`;
    log.info(
      `job ${job.name}: ${done}${of} frames${rate === undefined ? '' : `, ${rate.toFixed(1)} frames per second`}`,
      {
        job: job.name,
        framesDone: done,
        framesTotal: total,
      },
    );
  } catch {
    log.detail('cannot read the progress of the job');
  }
}

/** Returns the error of the failed step, which has more details than that of its pipeline. */
async function failureOf(session: Session, job: SubmittedJob): Promise<JobFailed> {
  const hint = `see its logs (${job.link}); submit it again with the same --work-dir to resume it`;
  let reason = '';
  try {
    const step = (await childrenOf(session, job)).find((run) => run.status === 'Failed');
    reason =
      (step === undefined ? '' : await errorOf(session, job, step.id)) ||
      (await errorOf(session, job, job.name));
  } catch {
    session.log.detail('cannot read the reason for the failure');
  }
  return new JobFailed(`the job ${job.name} failed${reason === '' ? '' : `: ${reason}`}`, hint);
}

async function errorOf(session: Session, job: SubmittedJob, run: string): Promise<string> {
  const body = await history(session, job, run, 'details');
  return oneLine(faultOf(at(body, 'error')).message);
}

async function childrenOf(
  session: Session,
  job: SubmittedJob,
): Promise<readonly { readonly id: string; readonly status: string }[]> {
  const body = await history(session, job, job.name, 'children');
  return listAt(body, 'value').map((run) => ({
    id: textAt(run, 'runId') ?? '',
    status: textAt(run, 'status') ?? '',
  }));
}

/** Reads the run history, from which Azure ML's own client gets the errors of jobs. */
async function history(
  session: Session,
  job: SubmittedJob,
  run: string,
  part: 'details' | 'children',
): Promise<Json> {
  const base = serviceUrl(job.tracking, 'history');
  if (base === undefined) return undefined;
  const url = `${base}/runs/${encodeURIComponent(run)}/${part}`;
  return (await session.client.send({ method: 'GET', url, doing: `reading the ${part} of the run ${run}` }))
    .body;
}

/** Derives the address of a service from the tracking address, `azureml://HOST/mlflow/v1.0/...`. */
export function serviceUrl(tracking: string | undefined, service: 'mlflow' | 'history'): string | undefined {
  const parts = /^azureml:\/\/([\w.:-]+)\/mlflow\/v1\.0\/([^?]*)/.exec(tracking ?? '');
  return parts === null ? undefined : `https://${parts[1]}/${service}/v1.0/${parts[2]}`;
}

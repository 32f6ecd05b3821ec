import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../system/errors.js';
import { PROGRESS_METRICS } from '../telemetry/progress-metrics.js';
import { scalingError } from './aml-cluster.js';
import type { Session } from './aml-provision.js';
import type { SubmittedJob } from './aml-submit.js';
import { at, type Json, listAt, textAt } from './json.js';
import { type Fault, faultOf, oneLine } from './refusals.js';
import { idIn, urlOf } from './workspace.js';

const POLL_MS = 15_000;
/** Short outages are tolerated; this many failed polls in a row are an error. */
const MAX_FAILED_POLLS = 20;
const NO_FAULT: Fault = { code: '', message: '' };

/**
 * How a job ended that did not complete: by a failure of its own; because somebody cancelled it; or because
 * its nodes were taken away or it was stopped, and the same command resumes it.
 */
export type JobEnd = 'failed' | 'cancelled' | 'interrupted';

/** The job did not complete. Any other error only means that its state is unknown. */
export class JobFailed extends JobError {
  readonly end: JobEnd;

  constructor(end: JobEnd, message: string, hint: string) {
    super(end === 'interrupted' ? 'stopped' : 'cloud', message, { hint });
    this.end = end;
  }
}

/** Words of Azure about nodes that it took away. */
const PRE_EMPTED =
  /\bpre-?empt|\bevict|low[- ]priority node|node.{0,40}\b(?:was|were) (?:lost|taken|deallocated)/i;
/** The exit code of this program for a stopped job, as Azure reports it. */
const STOPPED = /\b(?:exit(?:ed)?|status)(?: with)?(?: status)? ?code[: ]+75\b/i;
/** An error of this program: its text may hold the name of a video, which uploaders choose. */
const OWN_ERROR = /framescatter: error: /;
/** Error codes of faults that are Azure's own. */
const OF_AZURE = /^(?:ServiceError|SystemError|InternalServerError)$/;

/**
 * Waits until the job has completed, and logs its state and progress.
 *
 * @throws {JobFailed} when the job failed, with its own error, was cancelled or interrupted.
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
        throw failedJob(job, await faultOfJob(session, job, 'Failed'));
      case 'Canceled':
        throw cancelledJob(job, await faultOfJob(session, job, 'Canceled'));
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

function failedJob(job: SubmittedJob, { code, message }: Fault): JobFailed {
  const because = message === '' ? '' : `: ${message}`;
  const byAzure = (PRE_EMPTED.test(message) || OF_AZURE.test(code)) && !OWN_ERROR.test(message);
  if (byAzure || STOPPED.test(message)) return interrupted(job, because);
  const hint = `see its logs (${job.link}); the same command resumes it once that is mended`;
  return new JobFailed('failed', `the job ${job.name} failed${because}`, hint);
}

/** A cancelled job whose record tells of no node was cancelled by somebody, who wants no other run. */
function cancelledJob(job: SubmittedJob, { message }: Fault): JobFailed {
  if (PRE_EMPTED.test(message)) return interrupted(job, `: ${message}`);
  return new JobFailed('cancelled', `the job ${job.name} was cancelled`, 'the same command resumes it');
}

function interrupted(job: SubmittedJob, because: string): JobFailed {
  const hint = 'the same command resumes it; --attempts N does so by itself';
  return new JobFailed('interrupted', `the job ${job.name} was interrupted${because}`, hint);
}

/** Returns the error of the step that ended so, which has more details than that of its pipeline. */
async function faultOfJob(session: Session, job: SubmittedJob, status: string): Promise<Fault> {
  try {
    const step = (await childrenOf(session, job)).find((run) => run.status === status);
    const own = step === undefined ? NO_FAULT : await faultOfRun(session, job, step.id);
    return own.message === '' ? await faultOfRun(session, job, job.name) : own;
  } catch {
    session.log.detail('cannot read the reason of the end');
    return NO_FAULT;
  }
}

async function faultOfRun(session: Session, job: SubmittedJob, run: string): Promise<Fault> {
  const body = await history(session, job, run, 'details');
  const { code, message } = faultOf(at(body, 'error'));
  const warnings = listAt(body, 'warnings').map((warning) => textAt(warning, 'message') ?? '');
  return { code, message: oneLine([message, ...warnings].join(' ')) };
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

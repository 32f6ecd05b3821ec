import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../system/errors.js';
import { PROGRESS_METRICS } from '../telemetry/progress-metrics.js';
import { type Session, troubleOf } from './aml-provision.js';
import type { SubmittedJob } from './aml-submit.js';
import { at, type Json, listAt, textAt } from './json.js';
import { faultOf, oneLine } from './refusals.js';
import { idIn, urlOf } from './workspace.js';

const POLL_MS = 15_000;
/** The client rides over short outages; this many failed looks in a row are a long one. */
const PATIENT_LOOKS = 20;

/** The job itself failed, or was cancelled: any other error only says that nothing could be learnt of it. */
export class JobEndedBadly extends JobError {
  constructor(message: string, hint: string) {
    super('cloud', message, { hint });
  }
}

/**
 * Waits until the job ends, saying its state and, while it runs, how far it is. Returns when it has completed.
 *
 * @throws JobEndedBadly with the job's own error where it failed or was cancelled, and JobError('cloud') where Azure
 *   does not tell any more.
 */
export async function followJob(session: Session, job: SubmittedJob, cluster: string): Promise<void> {
  const { client, workspace, log } = session;
  const pause = session.pause ?? sleep;
  const doing = `asking for the state of the job ${job.name}`;
  const url = urlOf(client.management, idIn(workspace, 'jobs', job.name));
  let said = '';
  let failures = 0;
  for (;;) {
    let status: string;
    try {
      status =
        textAt((await client.send({ method: 'GET', url, doing })).body, 'properties', 'status') ?? 'Unknown';
      failures = 0;
    } catch (error) {
      failures += 1;
      if (failures === PATIENT_LOOKS) throw error;
      log.detail(`${doing} failed; asking again`);
      await pause(POLL_MS);
      continue;
    }
    const changed = status !== said;
    if (changed) log.info(`job ${job.name}: ${inWords(status)}`, { job: job.name, status });
    said = status;
    switch (status) {
      case 'Completed':
        return;
      case 'Failed':
        throw await whyFailed(session, job);
      case 'Canceled':
        throw new JobEndedBadly(`the job ${job.name} was cancelled`, 'submitted again, it resumes');
      case 'Queued':
        if (changed) await warnOfTrouble(session, cluster);
        break;
      case 'Running':
        await sayProgress(session, job);
        break;
      default:
        break;
    }
    await pause(POLL_MS);
  }
}

function inWords(status: string): string {
  switch (status) {
    case 'Queued':
      return 'waiting for nodes';
    case 'Preparing':
    case 'Provisioning':
    case 'Starting':
    case 'NotStarted':
      return `getting ready (${status})`;
    case 'NotResponding':
      return 'has sent no sign of life for a while';
    default:
      return status.toLowerCase();
  }
}

async function warnOfTrouble(session: Session, cluster: string): Promise<void> {
  const trouble = await troubleOf(session, cluster).catch(() => undefined);
  if (trouble !== undefined) session.log.warn(trouble);
}

/** Only what is nice to know: whatever goes wrong here must not end the waiting. */
async function sayProgress(session: Session, job: SubmittedJob): Promise<void> {
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
      `job ${job.name}: ${done}${of} frames${rate === undefined ? '' : `, ${rate.toFixed(1)} a second`}`,
      {
        job: job.name,
        framesDone: done,
        framesTotal: total,
      },
    );
  } catch {
    log.detail('the progress of the job cannot be read');
  }
}

/** The step knows more of what went wrong than the pipeline that holds it. */
async function whyFailed(session: Session, job: SubmittedJob): Promise<JobEndedBadly> {
  const hint = `look at its logs (${job.link}); submitted again with the same --work-dir it resumes`;
  let reason = '';
  try {
    const step = (await childrenOf(session, job)).find((run) => run.status === 'Failed');
    reason =
      (step === undefined ? '' : await errorOf(session, job, step.id)) ||
      (await errorOf(session, job, job.name));
  } catch {
    session.log.detail('the reason of the failure cannot be read');
  }
  return new JobEndedBadly(`the job ${job.name} failed${reason === '' ? '' : `: ${reason}`}`, hint);
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

/** Run history: what Azure ML's own client reads jobs' errors from. */
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

/** The workspace's tracking address is `azureml://HOST/mlflow/v1.0/...`; its sisters differ in the one word. */
export function serviceUrl(tracking: string | undefined, service: 'mlflow' | 'history'): string | undefined {
  const parts = /^azureml:\/\/([\w.:-]+)\/mlflow\/v1\.0\/([^?]*)/.exec(tracking ?? '');
  return parts === null ? undefined : `https://${parts[1]}/${service}/v1.0/${parts[2]}`;
}

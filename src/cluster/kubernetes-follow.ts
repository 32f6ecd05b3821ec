import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../report/log.js';
import { messageOf } from '../system/errors.js';
import { getJob, getPods, type Kubectl } from './kubectl.js';
import { followLogs, type PodLogs } from './kubernetes-logs.js';
import {
  type MpiJobEnd,
  type MpiJobStatus,
  type PodStatus,
  readMpiJob,
  readPods,
} from './kubernetes-status.js';

/** The dependencies of `followJob`. */
export interface Following {
  readonly kubectl: Kubectl;
  readonly log: Log;
  /** Receives the lines of the job's log. */
  readonly write: (line: string) => void;
  readonly pause?: (ms: number) => Promise<unknown>;
}

interface Followed {
  readonly name: string;
  readonly namespace: string;
}

const POLL_MS = 5000;
/** A busy API server may not answer; this many failed polls in a row are an error. */
const MAX_FAILED_POLLS = 60;
/** The operator accepts a job at once; after this many polls without that, something is wrong. */
const POLLS_UNTIL_ACCEPTED = 6;
/** The number of polls to wait for the last lines of a log. */
const POLLS_FOR_LOG = 6;
const RESUMABLE = 75;

/**
 * Follows a job until it ends, through restarts by Kubernetes. Passes its log on and reports changes of its
 * pods. Returns the exit code of the last run; 75 if Kubernetes ended the job and the same command would
 * resume it.
 *
 * @throws {JobError} cluster: when the cluster no longer answers.
 */
export async function followJob(job: Followed, following: Following): Promise<number> {
  const { kubectl, log } = following;
  const pause = following.pause ?? sleep;
  using logs = followLogs(kubectl, following.write);
  const report = changeReporter(job, log);
  let failures = 0;
  let pollsAfterEnd = 0;
  for (let polls = 1; ; polls += 1) {
    const found = await poll(kubectl, job.name).catch((error: unknown) => {
      failures += 1;
      if (failures === MAX_FAILED_POLLS) throw error;
      log.detail(messageOf(error));
      return undefined;
    });
    if (found !== undefined) {
      failures = 0;
      if (found === 'gone') {
        log.error(`job ${job.name} was deleted; the same command resumes it`);
        return RESUMABLE;
      }
      const { status, pods } = found;
      for (const pod of pods) if (pod.role === 'launcher') logs.follow(pod);
      if (status.end === undefined) report(polls, status, pods);
      else if (logsAreComplete(pods, logs) || pollsAfterEnd === POLLS_FOR_LOG)
        return exitCodeOf(job, status.end, pods, log);
      else pollsAfterEnd += 1;
    }
    await pause(POLL_MS);
  }
}

async function poll(kubectl: Kubectl, name: string) {
  const job = await getJob(kubectl, name);
  if (job === undefined) return 'gone';
  return { status: readMpiJob(job), pods: readPods(await getPods(kubectl, name)) };
}

function logsAreComplete(pods: readonly PodStatus[], logs: PodLogs): boolean {
  return pods.every((pod) => pod.role === 'worker' || !pod.started || logs.isComplete(pod.name));
}

/** Returns a function that logs what has changed since the previous poll. */
function changeReporter(
  job: Followed,
  log: Log,
): (polls: number, status: MpiJobStatus, pods: readonly PodStatus[]) => void {
  const { name, namespace } = job;
  let lastSummary = '';
  const reported = new Set<string>();
  const once = (key: string, report: () => void): void => {
    if (reported.has(key)) return;
    reported.add(key);
    report();
  };
  let wasSuspended = false;
  return (polls, { accepted, suspended }, pods) => {
    if (suspended && !wasSuspended)
      log.info(`job ${name} is suspended: it waits for its queue`, { job: name });
    wasSuspended = suspended;
    if (!accepted && polls >= POLLS_UNTIL_ACCEPTED) {
      once('not accepted', () =>
        log.warn(
          `the MPI Operator has not accepted job ${name}; see the reason: kubectl describe mpijob ${name} -n ${namespace}; check the operator: kubectl get pods -n mpi-operator`,
        ),
      );
    }
    const workers = pods.filter((pod) => pod.role === 'worker');
    const summary = `${workers.filter((pod) => pod.ready).length} of ${workers.length} workers are ready`;
    if (workers.length > 0 && summary !== lastSummary) log.info(`job ${name}: ${summary}`, { job: name });
    lastSummary = summary;
    for (const { name: pod, trouble, failed } of workers) {
      if (trouble === undefined) continue;
      once(`${pod} ${trouble}`, () => log.warn(`${pod}: ${trouble}`, { pod }));
      if (failed) {
        once(`${pod} failed`, () =>
          log.warn(`to replace the failed pod, delete it: kubectl delete pod ${pod} -n ${namespace}`),
        );
      }
    }
    for (const { name: pod, exitCode } of pods.filter((one) => one.role === 'launcher')) {
      if (exitCode === undefined || exitCode === 0) continue;
      once(pod, () => log.warn(`a run ended with exit code ${exitCode}; Kubernetes restarts it`, { pod }));
    }
  };
}

/** Logs how the job ended and returns its exit code. */
function exitCodeOf(job: Followed, end: MpiJobEnd, pods: readonly PodStatus[], log: Log): number {
  if (end.succeeded) {
    log.info(`job ${job.name} is done`);
    return 0;
  }
  const exitCode = pods.findLast((pod) => pod.role === 'launcher' && pod.exitCode !== undefined)?.exitCode;
  log.error(`job ${job.name} failed: ${[end.reason, end.message].filter((part) => part !== '').join(': ')}`, {
    job: job.name,
  });
  log.info('the finished work is kept: the same command resumes the job');
  return /DeadlineExceeded/.test(end.reason) ? RESUMABLE : exitCode || 1;
}

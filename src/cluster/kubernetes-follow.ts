import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../report/log.js';
import { messageOf } from '../system/errors.js';
import { getJob, getPods, type Kubectl } from './kubectl.js';
import { followLogs, type PodLogs } from './kubernetes-logs.js';
import { type MpiJobEnd, type PodStatus, readMpiJob, readPods } from './kubernetes-status.js';

/** What following a job needs. */
export interface Following {
  readonly kubectl: Kubectl;
  readonly log: Log;
  /** Takes the lines of the job's own log. */
  readonly write: (line: string) => void;
  readonly pause?: (ms: number) => Promise<unknown>;
}

interface Followed {
  readonly name: string;
  readonly namespace: string;
}

const POLL_MS = 5000;
/** A busy API server does not always answer; this many looks in a row without an answer are a failure. */
const PATIENT_LOOKS = 60;
/** The operator takes a job up at once; this many looks later something is wrong with it. */
const LOOKS_UNTIL_TAKEN = 6;
/** How many looks the last lines of a log are waited for. */
const LOOKS_FOR_LOG = 6;
const RESUMABLE = 75;

/**
 * Follows a job to its end, through the runs that Kubernetes starts again: passes its log on and says what becomes of its
 * pods. Gives the exit code of its last run; 75 where Kubernetes ended it and the same command would go on. Errors:
 * JobError `cluster` where the cluster cannot tell any more.
 */
export async function followJob(job: Followed, following: Following): Promise<number> {
  const { kubectl, log } = following;
  const pause = following.pause ?? sleep;
  const logs = followLogs(kubectl, following.write);
  const say = teller(job, log);
  let failures = 0;
  let looksAfterEnd = 0;
  try {
    for (let looks = 1; ; looks += 1) {
      const found = await look(kubectl, job.name).catch((error: unknown) => {
        failures += 1;
        if (failures === PATIENT_LOOKS) throw error;
        log.detail(messageOf(error));
        return undefined;
      });
      if (found !== undefined) {
        failures = 0;
        if (found === 'gone') {
          log.error(`job ${job.name} was deleted; the same command goes on from what is done`);
          return RESUMABLE;
        }
        const { status, pods } = found;
        for (const pod of pods) if (pod.role === 'launcher') logs.attend(pod);
        if (status.end === undefined) say(looks, status.taken, pods);
        else if (logsAreRead(pods, logs) || looksAfterEnd === LOOKS_FOR_LOG)
          return concluded(job, status.end, pods, log);
        else looksAfterEnd += 1;
      }
      await pause(POLL_MS);
    }
  } finally {
    logs.stop();
  }
}

async function look(kubectl: Kubectl, name: string) {
  const job = await getJob(kubectl, name);
  if (job === undefined) return 'gone';
  return { status: readMpiJob(job), pods: readPods(await getPods(kubectl, name)) };
}

function logsAreRead(pods: readonly PodStatus[], logs: PodLogs): boolean {
  return pods.every((pod) => pod.role === 'worker' || !pod.started || logs.isRead(pod.name));
}

/** Says what has changed since the look before. */
function teller(job: Followed, log: Log): (look: number, taken: boolean, pods: readonly PodStatus[]) => void {
  const { name, namespace } = job;
  let workersBefore = '';
  const told = new Set<string>();
  const once = (key: string, tell: () => void): void => {
    if (told.has(key)) return;
    told.add(key);
    tell();
  };
  return (looks, taken, pods) => {
    if (!taken && looks >= LOOKS_UNTIL_TAKEN) {
      once('not taken', () =>
        log.warn(
          `the MPI Operator has not taken job ${name} up: kubectl describe mpijob ${name} -n ${namespace} shows why; kubectl get pods -n mpi-operator, whether it runs`,
        ),
      );
    }
    const workers = pods.filter((pod) => pod.role === 'worker');
    const summary = `${workers.filter((pod) => pod.ready).length} of ${workers.length} workers are ready`;
    if (workers.length > 0 && summary !== workersBefore) log.info(`job ${name}: ${summary}`, { job: name });
    workersBefore = summary;
    for (const { name: pod, trouble, failed } of workers) {
      if (trouble === undefined) continue;
      once(`${pod} ${trouble}`, () => log.warn(`${pod}: ${trouble}`, { pod }));
      if (failed) {
        once(`${pod} failed`, () =>
          log.warn(`it comes back when it is deleted: kubectl delete pod ${pod} -n ${namespace}`),
        );
      }
    }
    for (const { name: pod, exitCode } of pods.filter((one) => one.role === 'launcher')) {
      if (exitCode === undefined || exitCode === 0) continue;
      once(pod, () =>
        log.warn(`a run ended with exit code ${exitCode}; Kubernetes starts it again`, { pod }),
      );
    }
  };
}

function concluded(job: Followed, end: MpiJobEnd, pods: readonly PodStatus[], log: Log): number {
  if (end.succeeded) {
    log.info(`job ${job.name} is done`);
    return 0;
  }
  const exitCode = pods.findLast((pod) => pod.role === 'launcher' && pod.exitCode !== undefined)?.exitCode;
  log.error(`job ${job.name} failed: ${[end.reason, end.message].filter((part) => part !== '').join(': ')}`, {
    job: job.name,
  });
  log.info('what is done so far is kept: the same command goes on from there');
  return /DeadlineExceeded/.test(end.reason) ? RESUMABLE : exitCode || 1;
}

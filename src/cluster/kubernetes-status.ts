/** Reads the API server's status of an MPIJob and its pods. Pure; missing parts count as not known yet. */

export interface MpiJobStatus {
  /** The MPI Operator has seen the job. */
  readonly accepted: boolean;
  /** It waits for its queue, or was suspended by somebody; it has no pods. */
  readonly suspended: boolean;
  readonly end: MpiJobEnd | undefined;
}

export interface MpiJobEnd {
  readonly succeeded: boolean;
  readonly reason: string;
  readonly message: string;
}

export interface PodStatus {
  readonly name: string;
  readonly role: 'launcher' | 'worker';
  readonly ready: boolean;
  /** Its container runs or has run, so there is a log. */
  readonly started: boolean;
  /** Its container's exit code, once it has ended. */
  readonly exitCode: number | undefined;
  /** The cluster's reason why it does not run. */
  readonly trouble: string | undefined;
  /** It ended for good: the operator does not replace it. */
  readonly failed: boolean;
}

interface Condition {
  readonly type?: string;
  readonly status?: string;
  readonly reason?: string;
  readonly message?: string;
}

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: object;
  readonly terminated?: { readonly exitCode?: number; readonly reason?: string };
}

interface Pod {
  readonly metadata?: {
    readonly name?: string;
    readonly creationTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly {
      readonly ready?: boolean;
      readonly state?: ContainerState;
      readonly lastState?: ContainerState;
    }[];
  };
}

const ROLE_LABEL = 'training.kubeflow.org/job-role';
/** Reasons for waiting that are temporary. */
const TEMPORARY = new Set(['ContainerCreating', 'PodInitializing']);

/**
 * Reads the status of an MPIJob. The operator sets the completion time when the job has finished or it gives
 * up. Before that, a condition Failed (such as of evicted workers) is not the end.
 */
export function readMpiJob(json: unknown): MpiJobStatus {
  const { status = {} } = json as {
    readonly status?: { readonly completionTime?: string; readonly conditions?: readonly Condition[] };
  };
  const conditions = status.conditions ?? [];
  const accepted = conditions.length > 0;
  const of = (type: string) => conditions.find((one) => one.type === type && one.status === 'True');
  const verdict = of('Succeeded') ?? of('Failed');
  const suspended = of('Suspended') !== undefined;
  if (status.completionTime === undefined || verdict === undefined)
    return { accepted, suspended, end: undefined };
  const { type, reason = '', message = '' } = verdict;
  return { accepted, suspended, end: { succeeded: type === 'Succeeded', reason, message } };
}

/** Returns the pods of a list, oldest first. */
export function readPods(json: unknown): readonly PodStatus[] {
  const { items = [] } = (json ?? {}) as { readonly items?: readonly Pod[] };
  const age = (pod: Pod): string => pod.metadata?.creationTimestamp ?? '';
  return [...items].sort((a, b) => (age(a) < age(b) ? -1 : age(a) > age(b) ? 1 : 0)).map(readPod);
}

function readPod({ metadata = {}, status = {} }: Pod): PodStatus {
  const container = status.containerStatuses?.[0];
  const { running, terminated } = container?.state ?? {};
  return {
    name: metadata.name ?? '',
    role: metadata.labels?.[ROLE_LABEL] === 'launcher' ? 'launcher' : 'worker',
    ready: container?.ready === true,
    started: running !== undefined || terminated !== undefined,
    exitCode: terminated?.exitCode,
    trouble: reasonNotRunning(status),
    failed: status.phase === 'Failed',
  };
}

function reasonNotRunning(status: NonNullable<Pod['status']>): string | undefined {
  const container = status.containerStatuses?.[0];
  if (status.phase === 'Failed') return reasonText(status.reason ?? 'failed', status.message);
  const { waiting } = container?.state ?? {};
  if (waiting?.reason !== undefined && !TEMPORARY.has(waiting.reason)) {
    const last = container?.lastState?.terminated?.reason;
    return reasonText(
      waiting.reason,
      last === undefined ? waiting.message : `its last run ended with ${last}`,
    );
  }
  const unscheduled = status.conditions?.find((one) => one.type === 'PodScheduled' && one.status === 'False');
  return unscheduled === undefined ? undefined : reasonText(unscheduled.reason ?? '', unscheduled.message);
}

function reasonText(reason: string, message: string | undefined): string {
  return message === undefined || message === '' ? reason : `${reason}: ${message}`;
}

/** Reads what the API server says of an MPIJob and its pods. Pure; what is not there is taken for not known yet. */

export interface MpiJobStatus {
  /** The MPI Operator has seen the job. */
  readonly taken: boolean;
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
  /** Its container runs or has run: there is a log. */
  readonly started: boolean;
  /** Its container's exit code, once it has ended. */
  readonly exitCode: number | undefined;
  /** Why it does not run, in the cluster's words. */
  readonly trouble: string | undefined;
  /** It ended for good: the operator makes no other in its place. */
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
/** Reasons to wait that pass by themselves. */
const PASSING = new Set(['ContainerCreating', 'PodInitializing']);

/**
 * The operator sets the completion time once it has given a job up or finished it; before that, a condition Failed (of
 * workers that were evicted) is not the end.
 */
export function readMpiJob(json: unknown): MpiJobStatus {
  const { status = {} } = json as {
    readonly status?: { readonly completionTime?: string; readonly conditions?: readonly Condition[] };
  };
  const conditions = status.conditions ?? [];
  const taken = conditions.length > 0;
  const of = (type: string) => conditions.find((one) => one.type === type && one.status === 'True');
  const verdict = of('Succeeded') ?? of('Failed');
  if (status.completionTime === undefined || verdict === undefined) return { taken, end: undefined };
  const { type, reason = '', message = '' } = verdict;
  return { taken, end: { succeeded: type === 'Succeeded', reason, message } };
}

/** The pods of a list, oldest first. */
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
    trouble: troubleOf(status),
    failed: status.phase === 'Failed',
  };
}

function troubleOf(status: NonNullable<Pod['status']>): string | undefined {
  const container = status.containerStatuses?.[0];
  if (status.phase === 'Failed') return words(status.reason ?? 'failed', status.message);
  const { waiting } = container?.state ?? {};
  if (waiting?.reason !== undefined && !PASSING.has(waiting.reason)) {
    const last = container?.lastState?.terminated?.reason;
    return words(waiting.reason, last === undefined ? waiting.message : `its last run ended: ${last}`);
  }
  const unscheduled = status.conditions?.find((one) => one.type === 'PodScheduled' && one.status === 'False');
  return unscheduled === undefined ? undefined : words(unscheduled.reason ?? '', unscheduled.message);
}

function words(reason: string, message: string | undefined): string {
  return message === undefined || message === '' ? reason : `${reason}: ${message}`;
}

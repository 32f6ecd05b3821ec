import { printable } from '../report/printable.js';
import type { Kubectl, KubectlStream } from './kubectl.js';
import type { PodStatus } from './kubernetes-status.js';

/** The logs of pods, as they grow. Disposing of them ends the reading. */
export interface PodLogs extends Disposable {
  /** Starts reading a pod's log, or resumes after a cut connection. Call it at every poll. */
  follow(pod: PodStatus): void;
  /** Returns true if the pod has ended and its log was read to the end. */
  isComplete(pod: string): boolean;
}

interface Reading {
  stream: KubectlStream | undefined;
  /** The time of the last line that was passed on, as the cluster writes it (RFC 3339 with nanoseconds). */
  last: string;
  complete: boolean;
}

const TIMED_LINE = /^(\d{4}-\d\d-\d\dT\S+) (.*)$/s;

/**
 * Passes on each line of the pods' logs once. After a cut connection (API servers close them after some
 * hours) it reconnects from the time of the last line.
 */
export function followLogs(kubectl: Kubectl, write: (line: string) => void): PodLogs {
  const readings = new Map<string, Reading>();

  function start(pod: PodStatus, reading: Reading): void {
    const since = reading.last === '' ? [] : ['--since-time', reading.last];
    const args = ['logs', pod.name, '--follow', '--timestamps', ...since];
    const stream = kubectl.lines(args, (line) => {
      const [, time = '', text = line] = TIMED_LINE.exec(line) ?? [];
      if (time !== '' && time <= reading.last) return;
      if (time !== '') reading.last = time;
      write(`${printable(text)}\n`);
    });
    reading.stream = stream;
    void stream.ended.then(() => {
      reading.stream = undefined;
      // Only a request after the pod's end is certain to return all of the log.
      reading.complete = pod.exitCode !== undefined;
    });
  }

  return {
    follow(pod) {
      if (!pod.started) return;
      const reading = readings.get(pod.name) ?? { stream: undefined, last: '', complete: false };
      readings.set(pod.name, reading);
      if (reading.stream === undefined && !reading.complete) start(pod, reading);
    },
    isComplete: (pod) => readings.get(pod)?.complete === true,
    [Symbol.dispose]() {
      for (const { stream } of readings.values()) stream?.[Symbol.dispose]();
    },
  };
}

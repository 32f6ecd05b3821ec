import { printable } from '../report/printable.js';
import type { Kubectl, KubectlStream } from './kubectl.js';
import type { PodStatus } from './kubernetes-status.js';

/** The logs of pods, as they grow. */
export interface PodLogs {
  /** Starts to read a pod's log, or goes on where a connection was cut; to be called at every look at the pod. */
  attend(pod: PodStatus): void;
  /** The pod has ended and its log is read to the end. */
  isRead(pod: string): boolean;
  stop(): void;
}

interface Reading {
  stream: KubectlStream | undefined;
  /** Time of the last line that was passed on, as the cluster writes it (RFC 3339, nine digits after the point). */
  last: string;
  read: boolean;
}

const TIMED_LINE = /^(\d{4}-\d\d-\d\dT\S+) (.*)$/s;

/**
 * Passes on the lines of pods' logs, each once: a connection that is cut, as API servers do after some hours, is made
 * again from the time of the last line.
 */
export function followLogs(kubectl: Kubectl, write: (line: string) => void): PodLogs {
  const readings = new Map<string, Reading>();

  function start(pod: PodStatus, reading: Reading): void {
    const since = reading.last === '' ? [] : ['--since-time', reading.last];
    const words = ['logs', pod.name, '--follow', '--timestamps', ...since];
    const stream = kubectl.lines(words, (line) => {
      const [, time = '', text = line] = TIMED_LINE.exec(line) ?? [];
      if (time !== '' && time <= reading.last) return;
      if (time !== '') reading.last = time;
      write(`${printable(text)}\n`);
    });
    reading.stream = stream;
    void stream.ended.then(() => {
      reading.stream = undefined;
      // Only what was asked for after the pod's end is surely all of it.
      reading.read = pod.exitCode !== undefined;
    });
  }

  return {
    attend(pod) {
      if (!pod.started) return;
      const reading = readings.get(pod.name) ?? { stream: undefined, last: '', read: false };
      readings.set(pod.name, reading);
      if (reading.stream === undefined && !reading.read) start(pod, reading);
    },
    isRead: (pod) => readings.get(pod)?.read === true,
    stop() {
      for (const { stream } of readings.values()) stream?.stop();
    },
  };
}

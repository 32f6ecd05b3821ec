import type { Log } from './log.js';

/**
 * Progress of a download from storage or an upload to it. Disposing of it ends the reports, whether or not
 * the transfer is done.
 */
export interface Transfer extends Disposable {
  moved(bytes: number): void;
  /** Logs the total and the speed. */
  done(): void;
}

const LINE_INTERVAL_MS = 5000;
const KIB = 2 ** 10;
const MIB = 2 ** 20;

/**
 * Logs a transfer of `total` bytes every few seconds: `downloading https://...: 210 of 850 MiB, 84 MiB/s`.
 */
export function showTransfer(log: Log, verb: 'download' | 'upload', what: string, total: number): Transfer {
  const start = performance.now();
  let bytes = 0;
  const speed = (): number => bytes / Math.max(1e-3, (performance.now() - start) / 1000);
  const [unit, bytesPerUnit] = total < MIB ? ['KiB', KIB] : ['MiB', MIB];
  const units = (count: number): string => {
    const value = count / bytesPerUnit;
    return value.toFixed(value < 10 ? 1 : 0);
  };
  const fields = () => ({ event: verb, bytes, total, bytesPerSecond: Math.round(speed()) });
  const timer = setInterval(() => {
    log.info(
      `${verb}ing ${what}: ${units(bytes)} of ${units(total)} ${unit}, ${units(speed())} ${unit}/s`,
      fields(),
    );
  }, LINE_INTERVAL_MS);
  timer.unref();
  return {
    moved(count) {
      bytes += count;
    },
    done() {
      log.info(`${verb}ed ${what}: ${units(bytes)} ${unit}, ${units(speed())} ${unit}/s`, fields());
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

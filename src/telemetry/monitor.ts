import type { Log } from '../report/log.js';
import { messageOf } from '../system/errors.js';
import { redact } from '../system/secret.js';
import { applicationInsightsSink } from './application-insights-sink.js';
import { createMonitor, type Monitor } from './metrics.js';
import { mlflowSink } from './mlflow-sink.js';
import { otlpSink } from './otlp-sink.js';
import type { Sink } from './sink.js';

/**
 * Opens the monitor that the environment asks for: see docs/monitoring.md. A sink that cannot be opened is
 * logged as a warning, and the job runs without it.
 */
export async function openMonitor(
  log: Log,
  version: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Monitor> {
  const asked = [
    ['MLFLOW_TRACKING_URI', async () => mlflowSink(environment)],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', async () => otlpSink(environment, version)],
    ['APPLICATIONINSIGHTS_CONNECTION_STRING', () => applicationInsightsSink(environment)],
  ] as const satisfies readonly (readonly [string, () => Promise<Sink | undefined>])[];
  const sinks: Sink[] = [];
  for (const [variable, open] of asked) {
    if (!environment[variable]) continue;
    try {
      sinks.push(await open());
    } catch (error) {
      log.warn(`monitoring: ${variable} is set, but ${redact(messageOf(error))}`);
    }
  }
  return createMonitor(sinks, log);
}

import { isPlainObject } from '../system/plain-object.js';
import { getJson, HttpError, postJson, secureUrl } from './http-exporter.js';
import type { Metric, Sink } from './sink.js';

/** Most metrics that one call of MLflow's log-batch takes. */
const MOST_METRICS = 1000;

/**
 * Sends metrics to the run of MLFLOW_TRACKING_URI and MLFLOW_RUN_ID: on Azure ML the run of the job itself.
 * The token is short-lived; when it is refused, Azure ML's run history gives a new one.
 *
 * @throws {Error} when there is no run, or it cannot be reached over TLS.
 */
export function mlflowSink(environment: NodeJS.ProcessEnv): Sink {
  const {
    MLFLOW_TRACKING_URI: uri = '',
    MLFLOW_RUN_ID: run = '',
    MLFLOW_EXPERIMENT_ID: experiment = '',
  } = environment;
  const base = secureUrl(uri.replace(/^azureml:/, 'https:'));
  if (base === undefined) throw new Error('it is not an https URL');
  if (run === '') throw new Error('MLFLOW_RUN_ID is not set');
  const logBatch = `${base}/api/2.0/mlflow/runs/log-batch`;
  let token = environment.MLFLOW_TRACKING_TOKEN ?? '';
  const authorization = () => (token === '' ? {} : { authorization: `Bearer ${token}` });
  const tokens = base.includes('/mlflow/v1.0')
    ? `${base.replace('/mlflow/v1.0', '/history/v1.0')}/experimentids/${encodeURIComponent(experiment)}` +
      `/runs/${encodeURIComponent(run)}/token`
    : undefined;

  async function post(metrics: readonly Metric[], signal: AbortSignal): Promise<void> {
    const body = { run_id: run, metrics: metrics.map(mlflowMetric), params: [], tags: [] };
    const send = () => postJson({ url: logBatch, headers: authorization(), body, signal });
    try {
      await send();
    } catch (error) {
      if (!(error instanceof HttpError && (error.status === 401 || error.status === 403))) throw error;
      if (token === '' || tokens === undefined) throw error;
      const answer = await getJson({ url: tokens, headers: authorization(), signal });
      if (!isPlainObject(answer) || typeof answer.token !== 'string') throw error;
      token = answer.token;
      await send();
    }
  }

  return {
    name: 'MLflow',
    async send(metrics, _spans, signal) {
      for (let at = 0; at < metrics.length; at += MOST_METRICS) {
        await post(metrics.slice(at, at + MOST_METRICS), signal);
      }
    },
  };
}

/** Converts a metric. MLflow has no labels: they become part of the key. */
function mlflowMetric({ name, value, at, step, labels }: Metric) {
  return { key: [name, ...Object.values(labels)].join('/'), value, timestamp: at, step };
}

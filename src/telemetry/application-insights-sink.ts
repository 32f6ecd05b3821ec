import type { Metric, Sink, Span } from './sink.js';

/**
 * The functions used of @opentelemetry/api and @azure/monitor-opentelemetry, two packages that the user may
 * install.
 */
interface OtelSpan {
  setAttributes(attributes: Span['attributes']): void;
  setStatus(status: { readonly code: number }): void;
  end(at: number): void;
}
interface OtelApi {
  readonly ROOT_CONTEXT: unknown;
  readonly trace: {
    getTracer(name: string): {
      startSpan(name: string, options: { readonly startTime: number }, context?: unknown): OtelSpan;
    };
    setSpan(context: unknown, span: OtelSpan): unknown;
  };
  readonly metrics: {
    getMeter(name: string): {
      createGauge(name: string): { record(value: number, labels: Metric['labels']): void };
    };
  };
}
interface AzureMonitor {
  useAzureMonitor(options: object): void;
  shutdownAzureMonitor(): Promise<void>;
}

const PACKAGE = '@azure/monitor-opentelemetry';
const [OK, ERROR] = [1, 2]; // SpanStatusCode
/**
 * Turns off the package's default instrumentation, which reports the URL of every request: blob names and
 * SAS.
 */
const NO_INSTRUMENTATION = Object.fromEntries(
  ['http', 'azureSdk', 'mongoDb', 'mySql', 'postgreSql', 'redis', 'redis4'].map((name) => [
    name,
    { enabled: false },
  ]),
);

/**
 * Sends spans and metrics to Application Insights with Microsoft's package. The package is large: it is
 * loaded only here, and only if the user installed it. With
 * APPLICATIONINSIGHTS_AUTHENTICATION_STRING=Authorization=AAD it signs in as the job does.
 *
 * @throws {Error} when the package is not installed.
 */
export async function applicationInsightsSink(
  environment: NodeJS.ProcessEnv,
  load: (name: string) => Promise<unknown> = (name) => import(name),
): Promise<Sink> {
  let monitor: AzureMonitor;
  let api: OtelApi;
  try {
    monitor = (await load(PACKAGE)) as AzureMonitor;
    api = (await load('@opentelemetry/api')) as OtelApi;
  } catch {
    throw new Error(`${PACKAGE} is not installed: npm install --no-save ${PACKAGE}`);
  }
  // Turns off the package's usage reports, which try to reach a network where there may be none.
  environment.APPLICATION_INSIGHTS_NO_STATSBEAT ??= '1';
  const signsIn = /Authorization=AAD/i.test(environment.APPLICATIONINSIGHTS_AUTHENTICATION_STRING ?? '');
  monitor.useAzureMonitor({
    azureMonitorExporterOptions: {
      connectionString: environment.APPLICATIONINSIGHTS_CONNECTION_STRING,
      disableOfflineStorage: true,
      ...(signsIn ? { credential: await defaultCredential() } : {}),
    },
    instrumentationOptions: NO_INSTRUMENTATION,
    enableLiveMetrics: false,
    enableStandardMetrics: false,
    enablePerformanceCounters: false,
    samplingRatio: 1,
    tracesPerSecond: 0,
  });
  const tracer = api.trace.getTracer('framescatter');
  const meter = api.metrics.getMeter('framescatter');
  const job = tracer.startSpan('job', { startTime: Date.now() }, api.ROOT_CONTEXT);
  const inJob = api.trace.setSpan(api.ROOT_CONTEXT, job);
  const gauges = new Map<string, ReturnType<typeof meter.createGauge>>();
  return {
    name: 'Application Insights',
    async send(metrics, spans) {
      for (const { name, value, labels } of metrics) {
        const gauge = gauges.get(name) ?? meter.createGauge(`framescatter.${name}`);
        gauges.set(name, gauge);
        gauge.record(value, labels);
      }
      for (const { name, began, ended, attributes, failed, parent } of spans) {
        const span = parent === undefined ? job : tracer.startSpan(name, { startTime: began }, inJob);
        span.setAttributes(attributes);
        span.setStatus({ code: failed ? ERROR : OK });
        span.end(ended);
      }
    },
    flush: () => monitor.shutdownAzureMonitor(),
  };
}

async function defaultCredential(): Promise<unknown> {
  const { DefaultAzureCredential } = await import('@azure/identity');
  return new DefaultAzureCredential();
}

import t from 'tap';
import type { RankReport } from '../../../src/job/report/limits.js';
import { createLog, type Log } from '../../../src/report/log.js';
import { JobError } from '../../../src/system/errors.js';
import { applicationInsightsSink } from '../../../src/telemetry/application-insights-sink.js';
import { createMonitor, type Monitor, NO_MONITOR } from '../../../src/telemetry/metrics.js';
import { mlflowSink } from '../../../src/telemetry/mlflow-sink.js';
import { openMonitor } from '../../../src/telemetry/monitor.js';
import { otlpSink } from '../../../src/telemetry/otlp-sink.js';
import type { Sink } from '../../../src/telemetry/sink.js';
import { type Collector, startCollector } from '../../fixtures/collector.js';

const SECONDS = { decode: 1, scatter: 0.5, infer: 2.5, gather: 0, encode: 3 };
const RANKS: readonly RankReport[] = [0, 1].map((rank) => ({
  rank,
  host: 'CANARYhost',
  provider: 'cpu',
  precision: 'fp32',
  frames: 10 + rank,
  seconds: SECONDS,
}));

function listen(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  return { lines, log: createLog('text', 'normal', (line) => lines.push(line)) };
}

/** What a job of four frames in two segments tells. */
async function tell(monitor: Monitor, error?: unknown): Promise<void> {
  await monitor.phase('prepare', async () => {});
  monitor.begin(6, 2);
  for (let i = 0; i < 4; i += 1) monitor.frame();
  monitor.segment(0, 3, Date.now() - 100);
  monitor.segment(1, 3, Date.now());
  monitor.ranks(RANKS, SECONDS);
  await monitor.close(error);
}

function azureMl(origin: string): NodeJS.ProcessEnv {
  return {
    MLFLOW_TRACKING_URI: `${origin}/mlflow/v1.0/subscriptions/s/workspaces/w?x=1`,
    MLFLOW_RUN_ID: 'run-1',
    MLFLOW_EXPERIMENT_ID: 'e-1',
    MLFLOW_TRACKING_TOKEN: 'CANARY-old',
  };
}

async function collector(
  t: { teardown(act: () => Promise<void>): void },
  ...rest: Parameters<typeof startCollector>
): Promise<Collector> {
  const started = await startCollector(...rest);
  t.teardown(() => started.stop());
  return started;
}

t.test('spans and metrics as OTLP', async (t) => {
  const { origin, received } = await collector(t);
  const { log, lines } = listen();
  const environment = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `${origin}/otlp/`,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%20b, other=1, authorization=Basic dXNlcjpwYXNzdw==',
  };
  await tell(await openMonitor(log, '1.2.3', environment));
  t.same(lines, []);
  const [traces, metrics] = ['/otlp/v1/traces', '/otlp/v1/metrics'].map((path) =>
    received.filter((one) => one.path === path),
  );
  t.match(traces?.[0]?.headers, { 'x-key': 'a b', other: '1', 'content-type': 'application/json' });
  t.equal(traces?.[0]?.headers.authorization, 'Basic dXNlcjpwYXNzdw==', 'up to the last =');
  const [{ resource, scopeSpans }] = traces?.[0]?.body.resourceSpans ?? [{}];
  t.match(resource.attributes, [
    { key: 'service.name', value: { stringValue: 'framescatter' } },
    { key: 'service.version', value: { stringValue: '1.2.3' } },
  ]);
  const spans = scopeSpans[0].spans as {
    readonly name: string;
    readonly traceId: string;
    readonly spanId: string;
    readonly parentSpanId?: string;
    readonly startTimeUnixNano: string;
    readonly endTimeUnixNano: string;
    readonly attributes: unknown;
    readonly status: unknown;
  }[];
  t.same(
    spans.map(({ name }) => name),
    ['prepare', 'segment', 'segment', ...Array<string>(5).fill('stage'), 'job'],
  );
  const job = spans.at(-1);
  t.equal(job?.parentSpanId, undefined);
  t.match(job, { traceId: /^[0-9a-f]{32}$/, spanId: /^[0-9a-f]{16}$/, status: { code: 1 } });
  for (const span of spans.slice(0, -1)) {
    t.equal(span.parentSpanId, job?.spanId);
    t.equal(span.traceId, job?.traceId);
    t.match(span.startTimeUnixNano, /^\d{19}$/);
    t.ok(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano));
  }
  t.same(spans[1]?.attributes, [
    { key: 'segment.index', value: { intValue: '0' } },
    { key: 'segment.frames', value: { intValue: '3' } },
  ]);
  t.match(spans[5]?.attributes, [{ value: { stringValue: 'infer' } }, { value: { doubleValue: 2.5 } }]);
  const gauges = metrics?.[0]?.body.resourceMetrics[0].scopeMetrics[0].metrics;
  const gauge = (name: string) =>
    gauges
      .filter((one: { name: string }) => one.name === `framescatter.${name}`)
      .map((one: { gauge: { dataPoints: unknown[] } }) => one.gauge.dataPoints[0]);
  t.match(gauge('frames_done'), [{ asDouble: 6 }]);
  t.match(gauge('rank_frames'), [
    { asDouble: 10, attributes: [{ key: 'rank', value: { intValue: '0' } }] },
    { asDouble: 11, attributes: [{ key: 'rank', value: { intValue: '1' } }] },
  ]);
  t.equal(gauge('stage_seconds').length, 5);
  t.notMatch(received.map(({ text }) => text).join(), /CANARY/, 'hosts are not told');
});

t.test('a failed job tells the kind of its error, not the message', async (t) => {
  const { origin, received } = await collector(t);
  const monitor = createMonitor([otlpSink({ OTEL_EXPORTER_OTLP_ENDPOINT: origin }, '1')], listen().log);
  const error = new JobError('input', 'CANARY.mp4 is no video');
  await t.rejects(
    monitor.phase('prepare', async () => {
      throw error;
    }),
    error,
  );
  await monitor.close(error);
  await monitor.close();
  const told = received.map(({ text }) => text).join();
  t.notMatch(told, /CANARY/);
  t.equal(told.match(/"name":"job"/g)?.length, 1, 'closed once');
  const spans = received[0]?.body.resourceSpans[0].scopeSpans[0].spans;
  t.match(spans, [
    { name: 'prepare', status: { code: 2 } },
    { name: 'job', status: { code: 2 } },
  ]);
  t.match(told, /"key":"error.type","value":\{"stringValue":"input"\}/);
});

t.test('metrics into a run of MLflow', async (t) => {
  await t.test('batches, and a new token where the old one is refused', async (t) => {
    const { origin, received } = await collector(t, ({ path, authorization }) => {
      if (path.startsWith('/history/')) return { status: 200, body: { token: 'CANARY-new' } };
      return { status: authorization === 'Bearer CANARY-new' ? 200 : 401 };
    });
    const { log, lines } = listen();
    await tell(await openMonitor(log, '1', azureMl(origin)));
    t.same(lines, []);
    const batch = '/mlflow/v1.0/subscriptions/s/workspaces/w/api/2.0/mlflow/runs/log-batch';
    t.match(received, [
      { method: 'POST', path: batch, authorization: 'Bearer CANARY-old' },
      {
        method: 'GET',
        path: '/history/v1.0/subscriptions/s/workspaces/w/experimentids/e-1/runs/run-1/token',
        authorization: 'Bearer CANARY-old',
      },
      { method: 'POST', path: batch, authorization: 'Bearer CANARY-new' },
    ]);
    const { body } = received[2] ?? {};
    t.match(body, { run_id: 'run-1', params: [], tags: [] });
    const keys = new Map<string, { value: number; timestamp: number; step: number }>(
      body.metrics.map((one: { key: string }) => [one.key, one]),
    );
    t.same(
      [...keys.keys()].sort(),
      [
        ...['frames_done', 'frames_per_second', 'frames_total'],
        ...['rank_frames/0', 'rank_frames/1', 'rank_infer_seconds/0', 'rank_infer_seconds/1'],
        ...['decode', 'encode', 'gather', 'infer', 'scatter'].map((stage) => `stage_seconds/${stage}`),
      ].sort(),
    );
    t.match(keys.get('frames_done'), { value: 6, step: 6, timestamp: Number });
    t.ok(Math.abs((keys.get('frames_done')?.timestamp ?? 0) - Date.now()) < 3600e3, 'in milliseconds');
  });

  await t.test('every few seconds', async (t) => {
    const { origin, received } = await collector(t);
    const monitor = createMonitor([mlflowSink(azureMl(origin))], listen().log, { intervalMs: 5 });
    monitor.begin(undefined, 0);
    while (received.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    await monitor.close();
    t.match(received[0]?.body.metrics, [{ key: 'frames_done', value: 0 }]);
  });

  await t.test('many ranks take several calls', async (t) => {
    const { origin, received } = await collector(t);
    const monitor = createMonitor([mlflowSink(azureMl(origin))], listen().log);
    const [rank] = RANKS;
    if (rank === undefined) throw new Error('no rank');
    monitor.ranks(
      Array.from({ length: 700 }, (_, number) => ({ ...rank, rank: number })),
      SECONDS,
    );
    await monitor.close();
    t.ok(received.length > 1);
    t.ok(received.every(({ body }) => body.metrics.length <= 1000));
  });
});

t.test('whoever cannot be told does not disturb the job', async (t) => {
  const gone = await startCollector();
  await gone.stop();
  const slow = await collector(t, () => undefined);
  const refusing = await collector(t, () => ({ status: 500 }));
  for (const [origin, reason, closeMs] of [
    [gone.origin, /ECONNREFUSED/, 60_000],
    [slow.origin, /no answer in time/, 300],
    [refusing.origin, /HTTP 500/, 60_000],
  ] as const) {
    const { log, lines } = listen();
    const sinks = [mlflowSink(azureMl(origin)), otlpSink({ OTEL_EXPORTER_OTLP_ENDPOINT: origin }, '1')];
    const monitor = createMonitor(sinks, log, { intervalMs: 10, closeMs });
    for (let i = 0; i < 20; i += 1) {
      monitor.frame();
      monitor.segment(i, 1, Date.now());
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await tell(monitor);
    t.equal(lines.length, 2, lines.join(''));
    t.match(lines.join(''), reason);
    t.notMatch(lines.join(''), /CANARY|127\.0\.0\.1/);
  }
});

t.test('what is sent again after an outage', async (t) => {
  let up = false;
  const taken: string[] = [];
  const { origin, received } = await collector(t, ({ text }) => {
    if (up) taken.push(text);
    return { status: up ? 200 : 503 };
  });
  const monitor = createMonitor([otlpSink({ OTEL_EXPORTER_OTLP_ENDPOINT: origin }, '1')], listen().log, {
    intervalMs: 5,
  });
  monitor.segment(7, 1, Date.now());
  while (received.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  up = true;
  await monitor.close();
  t.match(taken.join(), /"segment.index"/);
});

t.test('what the environment asks for and cannot have is said', async (t) => {
  const { log, lines } = listen();
  t.equal(await openMonitor(log, '1', {}), NO_MONITOR);
  t.same(lines, []);
  for (const environment of [
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.example:4318' },
    { MLFLOW_TRACKING_URI: 'file:///runs', MLFLOW_RUN_ID: '1' },
    { MLFLOW_TRACKING_URI: 'https://mlflow.example' },
    { MLFLOW_TRACKING_URI: 'http://mlflow.example', MLFLOW_RUN_ID: '1' },
  ]) {
    lines.length = 0;
    t.equal(await openMonitor(log, '1', environment), NO_MONITOR);
    t.equal(lines.length, 1);
    t.match(lines[0], /monitoring: \w+ is set, but (?:it is not an https URL|MLFLOW_RUN_ID is not set)/);
  }
  t.type(
    mlflowSink({ MLFLOW_TRACKING_URI: 'azureml://x.api.azureml.ms/mlflow/v1.0/s', MLFLOW_RUN_ID: '1' }),
    'object',
  );
});

t.test('Application Insights, by a package that is there or not', async (t) => {
  const environment: NodeJS.ProcessEnv = {
    APPLICATIONINSIGHTS_CONNECTION_STRING: 'InstrumentationKey=CANARY',
  };
  await t.rejects(
    applicationInsightsSink(environment, async () => {
      throw new Error('no such package');
    }),
    { message: /@azure\/monitor-opentelemetry is not installed: npm install/ },
  );
  const told: string[] = [];
  let flushed = 0;
  const span = (name: string, parent: unknown) => ({
    setAttributes: () => {},
    setStatus: ({ code }: { code: number }) => void told.push(`${name} in ${parent}: ${code}`),
    end: () => {},
    name,
  });
  const packages: Record<string, unknown> = {
    '@azure/monitor-opentelemetry': {
      useAzureMonitor: (options: object) => void told.push(JSON.stringify(options)),
      async shutdownAzureMonitor() {
        flushed += 1;
      },
    },
    '@opentelemetry/api': {
      ROOT_CONTEXT: 'root',
      trace: {
        getTracer: () => ({ startSpan: (name: string, _o: unknown, parent: unknown) => span(name, parent) }),
        setSpan: (_context: unknown, parent: { name: string }) => parent.name,
      },
      metrics: {
        getMeter: () => ({
          createGauge: (name: string) => ({ record: (value: number) => void told.push(`${name}=${value}`) }),
        }),
      },
    },
  };
  const sink: Sink = await applicationInsightsSink(environment, async (name) => packages[name]);
  await tell(createMonitor([sink], listen().log), new JobError('stopped', 'by a signal'));
  t.match(told[0], /"connectionString":"InstrumentationKey=CANARY","disableOfflineStorage":true/);
  t.match(
    told[0],
    /"http":\{"enabled":false\},"azureSdk":\{"enabled":false\}/,
    'no requests, with addresses',
  );
  t.equal(told.filter((line) => line === 'segment in job: 1').length, 2);
  t.ok(told.includes('job in root: 2'));
  t.ok(told.includes('framescatter.rank_frames=11'));
  t.equal(flushed, 1);
});

/** Whole jobs that tell a local collector how they go. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { makeClip } from '../fixtures/clips.js';
import { type Received, startCollector } from '../fixtures/collector.js';
import { identityModel } from '../fixtures/identity-model.js';
import { decodedFrames, runJob } from '../fixtures/job.js';

const FAST = ['--provider', 'cpu', '--crf', '0', '--preset', 'ultrafast', '--threads', '1'];

function environmentFor(origin: string): NodeJS.ProcessEnv {
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: origin,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=CANARYheader',
    MLFLOW_TRACKING_URI: origin,
    MLFLOW_RUN_ID: 'run-1',
    MLFLOW_TRACKING_TOKEN: 'CANARYtoken',
  };
}

/** Names of all spans that came. */
function spanNames(received: readonly Received[]): readonly string[] {
  return received
    .filter(({ path }) => path === '/v1/traces')
    .flatMap(({ body }) => body.resourceSpans[0].scopeSpans[0].spans)
    .map(({ name }: { name: string }) => name);
}

t.test('spans of job, segments and stages, and metrics of every rank', async (t) => {
  const collector = await startCollector();
  t.teardown(() => collector.stop());
  const folder = t.testdir({ CANARYfolder: {} });
  const model = await identityModel(join(folder, 'CANARYfolder'));
  const input = join(folder, 'CANARYfolder', 'CANARY in.mp4');
  const output = join(folder, 'CANARYfolder', 'CANARY out.mp4');
  await fs.copyFile(await makeClip('cfr'), input);
  const { code, stderr } = await runJob(
    2,
    [input, output, '--model', model, '--segment-seconds', '0.4', ...FAST],
    { env: environmentFor(collector.origin) },
  );
  t.equal(code, 0, stderr);
  const names = spanNames(collector.received);
  const segments = names.filter((name) => name === 'segment').length;
  t.ok(segments >= 2, `${segments} segments`);
  t.same(names.filter((name) => name !== 'segment').sort(), [
    ...['assemble', 'job', 'open sessions', 'pipeline', 'prepare', 'publish'],
    ...Array<string>(5).fill('stage'),
    'verify',
  ]);
  const batches = collector.received.filter(({ path }) => path === '/api/2.0/mlflow/runs/log-batch');
  const metrics = new Map<string, number>(
    batches.flatMap(({ body }) =>
      body.metrics.map(({ key, value }: { key: string; value: number }) => [key, value] as const),
    ),
  );
  t.equal(metrics.get('frames_done'), 25);
  t.equal((metrics.get('rank_frames/0') ?? 0) + (metrics.get('rank_frames/1') ?? 0), 25);
  t.ok((metrics.get('stage_seconds/infer') ?? 0) > 0);
  t.notMatch(
    collector.received.map(({ text }) => text).join(),
    /CANARY/,
    'nothing names a file or gives access',
  );
  t.notMatch(stderr, /CANARY(?:token|header)/);
});

t.test('a collector that is down or hangs', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  const clip = await makeClip('one-frame');
  const hanging = await startCollector(() => undefined);
  t.teardown(() => hanging.stop());
  const gone = await startCollector();
  await gone.stop();
  for (const [name, { origin }] of Object.entries({ hanging, gone })) {
    const output = join(folder, `${name}.mp4`);
    const { code, stderr } = await runJob(0, [clip, output, '--model', model, ...FAST], {
      env: environmentFor(origin),
    });
    t.equal(code, 0, stderr);
    t.equal(decodedFrames(output).length, 1);
    t.equal(stderr.match(/warning: monitoring: /g)?.length, 2, `one for each that was to be told: ${stderr}`);
    t.notMatch(stderr, /CANARY/);
  }
});

t.test('a job that fails tells so', async (t) => {
  const collector = await startCollector();
  t.teardown(() => collector.stop());
  const folder = t.testdir({ 'CANARY.mp4': 'no video' });
  const { code } = await runJob(0, [join(folder, 'CANARY.mp4'), join(folder, 'o.mp4')], {
    env: environmentFor(collector.origin),
  });
  t.equal(code, 1);
  t.same(spanNames(collector.received), ['prepare', 'job']);
  const told = collector.received.map(({ text }) => text).join();
  t.match(told, /"outcome","value":\{"stringValue":"failed"\}/);
  t.notMatch(told, /CANARY/);
});

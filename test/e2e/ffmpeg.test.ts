/** Running ffmpeg and ffprobe: hostile names, failures, and their end with ours. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { JobError } from '../../src/system/errors.js';
import { ffprobeLines, runFfmpeg, runFfprobe, startFfmpeg } from '../../src/video/ffmpeg/ffmpeg.js';
import { ffmpegVersion, hasEncoder } from '../../src/video/ffmpeg/ffmpeg-facts.js';
import {
  eachLine,
  FfmpegFailure,
  firstError,
  plainMessage,
  runError,
} from '../../src/video/ffmpeg/ffmpeg-messages.js';
import { incomingPipe } from '../../src/video/ffmpeg/pipe.js';
import { clipFolder, makeClip } from '../fixtures/clips.js';

const HOSTILE_NAMES = [
  '-i.mp4',
  '--help.mp4',
  'a b  c.mp4',
  'it\'s "quoted".mp4',
  '$(touch pwned);`id`&|.mp4',
  'percent %d %03d.mp4',
  'new\nline.mp4',
  'concat:x|y.mp4',
  'http:::x.mp4',
  'ünï ☃.mp4',
  'back\\slash[0]*?{a,b}.mp4',
];

/** Puts a shell script in ffmpeg's place for the length of a test. */
function standIn(t: Test, variable: 'FFMPEG_PATH' | 'FFPROBE_PATH', script: string): void {
  const path = join(t.testdir({ program: `#!/bin/sh\n${script}\n` }), 'program');
  chmodSync(path, 0o755);
  const before = process.env[variable];
  process.env[variable] = path;
  t.teardown(() => {
    if (before === undefined) delete process.env[variable];
    else process.env[variable] = before;
  });
}

/** Waits until `condition` holds; the test's own time limit ends it. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

const COPY = ['-map', '0:v', '-c', 'copy'];
const ENDLESS = { from: { lavfi: 'testsrc2=size=640x360' } };

t.test('file names are data, in and out', async (t) => {
  const folder = t.testdir();
  const clip = await makeClip('cfr');
  const cwd = process.cwd();
  process.chdir(folder);
  t.teardown(() => process.chdir(cwd));
  mkdirSync('http:');
  for (const name of HOSTILE_NAMES) {
    for (const file of [name, join(folder, name)]) {
      copyFileSync(clip, name);
      const facts = (await runFfprobe(file, ['-show_format'])) as { format: { nb_streams: number } };
      t.equal(facts.format.nb_streams, 2, JSON.stringify(file));
      const output = file.replace(/x?\.mp4$/, ' out.mp4');
      await runFfmpeg({
        task: 'copying',
        inputs: [{ from: { file } }],
        outputs: [{ to: { file: output }, options: COPY }],
      });
      t.ok(existsSync(output), 'the output has just that name');
      const packets: string[] = [];
      for await (const line of ffprobeLines(output, ['-show_entries', 'packet=pts', '-of', 'csv=p=0'])) {
        packets.push(line);
      }
      t.equal(packets.length, 25);
    }
  }
  t.notOk(existsSync('pwned'), 'no shell saw a name');
});

t.test('a playlist cannot make ffmpeg reach out', async (t) => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.ts`;
  const list = `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n${url}\n#EXT-X-ENDLIST\n`;
  const file = join(t.testdir({ 'list.m3u8': list }), 'list.m3u8');
  const task = { task: 'reading a list', inputs: [{ from: { file } }], outputs: [{ to: 'null' as const }] };
  await t.rejects(runFfmpeg(task), { code: 'ffmpeg' });
  await t.rejects(runFfprobe(file, ['-show_format']), { code: 'ffmpeg' });
  t.equal(connections, 0);
});

t.test('an option with a space stays one argument', async (t) => {
  const folder = t.testdir();
  const file = join(folder, 'titled.mkv');
  await runFfmpeg({
    task: 'writing a title',
    inputs: [{ from: ENDLESS.from }],
    outputs: [{ to: { file }, options: ['-frames:v', '1', '-metadata', 'title=two words'] }],
  });
  const facts = (await runFfprobe(file, ['-show_format'])) as { format: { tags: Record<string, string> } };
  t.equal(facts.format.tags.title ?? facts.format.tags.TITLE, 'two words');
});

t.test('no output is lost when its reader is slow and ffmpeg has long ended', async (t) => {
  const file = await makeClip('cfr');
  const pipe = incomingPipe();
  // Two frames go into any pipe: ffmpeg is gone before they are read.
  const options = ['-map', '0:v', '-frames:v', '2', '-pix_fmt', 'yuv420p', '-f', 'rawvideo'];
  const run = await startFfmpeg(
    { task: 'decoding', inputs: [{ from: { file } }], outputs: [{ to: 'stdout', options }] },
    { stdout: pipe.childEnd },
  );
  await run.done;
  let bytes = 0;
  const piece = new Uint8Array(1000);
  for (let length = -1; length !== 0; bytes += length) length = await pipe.read(piece);
  t.equal(bytes, 2 * 160 * 120 * 1.5);
  t.equal(await pipe.read(piece), 0, 'the end stays the end');
  await Promise.all([pipe[Symbol.asyncDispose](), pipe[Symbol.asyncDispose]()]);
  t.throws(() => pipe.read(piece), { code: 'internal' });
});

t.test('failures carry the last words of ffmpeg and ffprobe', async (t) => {
  const folder = t.testdir({ 'text.mp4': 'no video', sub: {} });
  const file = join(folder, 'text.mp4');
  const refused = runFfmpeg({
    task: 'reading a text',
    inputs: [{ from: { file } }],
    outputs: [{ to: 'null' }],
  });
  await t.rejects(refused, {
    code: 'ffmpeg',
    message: /exited with code \d+ while reading a text: .*Invalid data/,
  });
  const failure = await refused.catch((error: unknown) => error);
  t.ok(failure instanceof FfmpegFailure && (failure.exitCode ?? 0) > 0);
  await t.rejects(runFfprobe(file, []), { code: 'ffmpeg', message: /Invalid data/ });
  const missing = join(folder, 'missing.mp4');
  await t.rejects(runFfprobe(missing, []), { message: /missing\.mp4.*No such file/ });
  await t.rejects(
    (async () => {
      for await (const _ of ffprobeLines(missing, [])) t.fail('a line of nothing');
    })(),
    { message: /No such file/ },
  );
  t.equal(plainMessage('[h264 @ 0x55d0aa] [error] no frame!'), 'h264: no frame!');
  const harmless = '[nut @ 0x1] [error] read_timestamp failed.';
  t.equal(firstError(['[warning] x', harmless, '[a @ 0x2] [error] why', '[fatal] then']), 'a: why');
  t.equal(firstError([harmless]), undefined);
  t.equal(
    firstError(['[info]     title           : [error] reading', '[a @ 0x1][b @ 0x2] [warning] [fatal] x']),
    undefined,
  );
  t.equal(firstError(['[a @ 0x1] [b @ 0x2] [error] no [error] here']), 'a: b: no [error] here');
});

const PICTURE = { from: { lavfi: 'testsrc2=size=64x64:rate=25' } };

t.test('failures of every kind tell their cause first', async (t) => {
  const folder = t.testdir();
  const file = join(folder, 'o.nut');
  const run = (from: (typeof PICTURE)['from'] | { file: string }, to: string, options: readonly string[]) =>
    runFfmpeg({ task: 'failing', inputs: [{ from }], outputs: [{ to: { file: to }, options }] });
  const picture = (options: readonly string[], to = file) =>
    run(PICTURE.from, to, ['-frames:v', '3', ...options]);
  const fails = (work: Promise<unknown>, words: RegExp, name: string) =>
    t.rejects(work, { code: 'ffmpeg', message: new RegExp(`while failing: ${words.source}`) }, name);
  const nonesuch = ['-preset', 'nonesuch'];
  await fails(
    picture(['-c:v', 'libx264', ...nonesuch]),
    /(x264 .*; )?libx264: Error setting preset/,
    'preset',
  );
  await fails(picture(['-c:v', 'libx265', ...nonesuch]), /libx265: Error setting preset/, 'preset of x265');
  await fails(picture(['-c:v', 'libx264', '-f', 'webm']), /webm: Only VP8 or VP9/, 'codec and container');
  await fails(picture(['-c:v', 'ffv1', '-f', 'mp4']), /mp4: Could not find tag for codec/, 'codec tag');
  await fails(picture(['-c:v', 'nonesuch']), /.*Unknown encoder 'nonesuch'/, 'encoder');
  await fails(
    picture(['-xerror', '-c:v', 'ffv1', '-f', 'nut'], '/dev/full'),
    /.*No space left on device/,
    'full disk',
  );
  await fails(picture([], join(folder, 'no', 'o.nut')), /.*No such file or directory/, 'folder');
  const small = run({ lavfi: 'color=s=32x32' }, file, ['-frames:v', '3', '-c:v', 'libsvtav1']);
  await fails(small, /Svt\[error\]: .*Source Width must be at least/, 'size');
  const bytes = readFileSync(await makeClip('cfr')).fill(0, 3000);
  const damaged = join(folder, 'damaged.mp4');
  writeFileSync(damaged, bytes);
  await fails(run({ file: damaged }, file, ['-c', 'copy']), /.*moov atom not found/, 'damaged input');
});

t.test('what FFmpeg 7 adds to a cause is not told', (t) => {
  const said = [
    '[webm @ 0x1] [error] Only VP8 or VP9',
    '[out#0/webm @ 0x2] [error] Could not write header (incorrect codec parameters ?): Invalid argument',
    '[vf#0:0 @ 0x3] [error] Error sending frames to consumers: Invalid argument',
    '[vf#0:0 @ 0x3] [error] Task finished with error code: -22 (Invalid argument)',
    '[vf#0:0 @ 0x3] [error] Terminating thread with return code -22 (Invalid argument)',
    '[vost#0:0/libx264 @ 0x4] [error] Could not open encoder before EOF',
    '[out#0/webm @ 0x2] [error] Nothing was written into output file, because at least one of its streams received no packets.',
  ];
  const failed = (messages: readonly string[]) =>
    runError('ffmpeg', 'writing', new Error('ffmpeg exited with code 234: x'), messages).message;
  t.equal(
    failed(said),
    'ffmpeg exited with code 234 while writing: webm: Only VP8 or VP9; out#0/webm: Could not write header (incorrect codec parameters ?): Invalid argument',
  );
  const many = [1, 2, 3, 4, 5].map((n) => `[a @ 0x1] [error] ${n}`);
  t.match(failed(['[warning] w', ...many]), /: a: 1; a: 4; a: 5$/, 'the first, and the last two');
  t.match(failed(['[warning] w']), /: \[warning\] w$|: w$/, 'warnings where there is no error');
  t.match(failed(said.slice(4, 5)), /Terminating thread/, 'even that where there is nothing else');
  t.match(failed([]), /while writing$/);
  t.end();
});

t.test('of a long line that comes bit by bit only the beginning is told', async (t) => {
  const bits = [
    'first\n',
    `[info] ${'x'.repeat(2000)}`,
    'y'.repeat(2000),
    '[error] no line\n[error] ',
    'last\n',
  ];
  const lines: string[] = [];
  const stream = Readable.from(bits);
  eachLine(stream, (line) => lines.push(line));
  await once(stream, 'end');
  t.strictSame(lines, ['first', `[info] ${'x'.repeat(2000)}`, '[error] last', '']);
});

t.test('a program that is missing, in each way of asking', async (t) => {
  for (const variable of ['FFMPEG_PATH', 'FFPROBE_PATH']) {
    process.env[variable] = '/nonexistent/program';
    t.teardown(() => delete process.env[variable]);
  }
  const expected = { code: 'ffmpeg', message: /cannot be started/, hint: /apt-get install ffmpeg/ };
  await t.rejects(runFfmpeg({ task: 'x', inputs: [ENDLESS], outputs: [{ to: 'null' }] }), expected);
  await t.rejects(
    startFfmpeg({ task: 'x', inputs: [{ from: 'stdin' }], outputs: [{ to: 'null' }] }),
    expected,
  );
  await t.rejects(runFfprobe('x', []), expected);
  await t.rejects(ffmpegVersion(), expected);
});

t.test('an argument list that is too long is an error like another', async (t) => {
  const options = ['-metadata', `title=${'x'.repeat(3_000_000)}`];
  const run = runFfmpeg({ task: 'x', inputs: [ENDLESS], outputs: [{ to: 'null', options }] });
  await t.rejects(run, { code: 'ffmpeg', message: /E2BIG/ });
});

t.test('stderr without end or line breaks is kept in bounded memory', async (t) => {
  standIn(
    t,
    'FFMPEG_PATH',
    'head -c 100000000 /dev/zero | tr "\\0" x >&2; echo >&2; echo "[error] the last" >&2; exit 3',
  );
  const before = process.memoryUsage().rss;
  const error = await runFfmpeg({ task: 'x', inputs: [ENDLESS], outputs: [{ to: 'null' }] }).catch(
    (e: unknown) => e,
  );
  t.match(error, { code: 'ffmpeg', exitCode: 3, message: 'ffmpeg exited with code 3 while x: the last' });
  t.ok(process.memoryUsage().rss - before < 100e6);
});

t.test('aborting and killing', async (t) => {
  const controller = new AbortController();
  const task = { task: 'x', inputs: [ENDLESS], outputs: [{ to: 'null' as const }] };
  const run = await startFfmpeg(task, { signal: controller.signal });
  controller.abort(new Error('enough'));
  await t.rejects(run.done, { code: 'ffmpeg', message: /stopped/, cause: { message: 'enough' } });
  const other = await startFfmpeg(task);
  other.kill();
  other.kill();
  const error = await other.done.catch((e: unknown) => e);
  t.ok(error instanceof FfmpegFailure && error instanceof JobError);
  t.match(error, { exitCode: undefined, message: /SIGKILL/ });
  await t.rejects(runFfmpeg(task, { signal: AbortSignal.abort() }), { code: 'ffmpeg' });
});

t.test('what this ffmpeg is', async (t) => {
  t.match(await ffmpegVersion(), /^\S*\d/);
  t.equal(await hasEncoder('rawvideo'), true);
  t.equal(await hasEncoder('nonesuch'), false);
});

for (const [how, end] of [
  ['exits', 'process.exit(0)'],
  ['is killed', 'process.kill(process.pid, "SIGKILL")'],
] as const) {
  t.test(`ffmpeg ends when this process ${how}, and has a process group of its own`, async (t) => {
    const folder = t.testdir();
    const pidFile = join(folder, 'pid');
    const program = join(folder, 'ffmpeg');
    writeFileSync(
      program,
      `#!/bin/sh\necho $$ > "${pidFile}.new"; mv "${pidFile}.new" "${pidFile}"\nexec ffmpeg "$@"\n`,
    );
    chmodSync(program, 0o755);
    const folderOfModules = new URL('../../src/video/ffmpeg/', import.meta.url);
    const script = `
      import { startFfmpeg } from ${JSON.stringify(new URL('ffmpeg.js', folderOfModules).href)};
      import { incomingPipe } from ${JSON.stringify(new URL('pipe.js', folderOfModules).href)};
      import { existsSync } from 'node:fs';
      const pipe = incomingPipe();
      await startFfmpeg({ task: 'x', inputs: [{ from: { lavfi: 'testsrc2' } }],
        outputs: [{ to: 'stdout', options: ['-f', 'rawvideo'] }] }, { stdout: pipe.childEnd });
      const piece = new Uint8Array(1e6);
      const read = () => pipe.read(piece).then(read);
      read();
      const wait = setInterval(() => { if (existsSync(${JSON.stringify(pidFile)})) { clearInterval(wait); ${end}; } }, 10);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, FFMPEG_PATH: program },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const exited = once(child, 'exit');
    await until(() => existsSync(pidFile));
    const pid = Number(readFileSync(pidFile, 'utf8'));
    await exited;
    await until(() => !isRunning(pid));
    t.notOk(isRunning(pid));
  });
}

t.test('Ctrl-C at the terminal does not reach ffmpeg', async (t) => {
  const run = await startFfmpeg({
    task: 'x',
    inputs: [{ from: 'stdin', options: ['-f', 'rawvideo', '-video_size', '16x16'] }],
    outputs: [{ to: 'null' }],
  });
  const ours = readFileSync('/proc/self/stat', 'utf8').split(' ')[4];
  const groups = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .map((pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[4]);
  t.ok(groups.length > 0 && !groups.includes(ours), 'it is in another process group');
  run.stdin?.end(new Uint8Array(16 * 16 * 6));
  await run.done;
  t.ok(existsSync(clipFolder()));
});

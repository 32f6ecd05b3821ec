import t from 'tap';
import { containerFor } from '../../../src/video/formats/container.js';

t.test('the name tells the container', async (t) => {
  for (const [name, muxer] of [
    ['out.mp4', 'mp4'],
    ['a.b/out.M4V', 'mp4'],
    ['out.mov', 'mov'],
    ['out.tar.mkv', 'matroska'],
    ['out.webm', 'webm'],
  ] as const) {
    t.equal(containerFor(name).muxer, muxer, name);
  }
});

t.test('a format goes before the name', async (t) => {
  t.equal(containerFor('out.bin', 'mkv').name, 'mkv');
  t.equal(containerFor('out.mp4', 'webm').name, 'webm');
});

t.test('what cannot be written is a usage error that says why', async (t) => {
  const refused = (message: RegExp, name: string, format?: string) =>
    t.throws(() => containerFor(name, format), { code: 'usage', message, hint: /\.mkv/ });
  refused(/"\.avi" .* is not a container/, 'out.avi');
  refused(/has no extension/, 'folder.mp4/out');
  refused(/has no extension/, '.mp4');
  refused(/no output format "constructor"/, 'out.mp4', 'constructor');
});

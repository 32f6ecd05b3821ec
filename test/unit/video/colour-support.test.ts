import t from 'tap';
import type { Codec } from '../../../src/video/codecs/codec.js';
import { codedTags, readableTags, type Tagged, tagNotes } from '../../../src/video/codecs/colour-support.js';
import type { ColourTags } from '../../../src/video/formats/colour-names.js';
import { containerFor } from '../../../src/video/formats/container.js';

const HDR: ColourTags = {
  matrix: 'bt2020nc',
  primaries: 'bt2020',
  transfer: 'smpte2084',
  range: 'limited',
  chromaLocation: 'topleft',
};
const pixelFormats: Partial<Record<Codec, string>> = { prores: 'yuv422p10le' };

function video(codec: Codec, tags: Partial<ColourTags> = {}, pixelFormat?: string): Tagged {
  return {
    codec,
    pixelFormat: pixelFormat ?? pixelFormats[codec] ?? 'yuv420p',
    tags: { ...HDR, ...tags },
  };
}
const container = (name: string) => containerFor(`x.${name}`);
const readable = (tagged: Tagged, name: string) => readableTags(tagged, container(name));
const notes = (tagged: Tagged, name: string) => tagNotes({ matrix: 'bt709', ...tagged }, container(name));

t.test('most codecs and containers carry everything', (t) => {
  for (const [codec, names] of [
    ['h264', ['mp4', 'mov', 'mkv']],
    ['hevc', ['mp4', 'mov', 'mkv']],
    ['av1', ['mp4', 'mkv', 'webm']],
    ['vp9', ['mkv', 'webm']],
    ['ffv1', ['mkv']],
  ] as const) {
    for (const name of names) {
      t.same(readable(video(codec), name), HDR, `${codec} in ${name}`);
      t.same(notes(video(codec), name), []);
    }
  }
  t.same(readable(video('vp9'), 'mp4'), { ...HDR, chromaLocation: undefined }, 'which ffprobe does not read');
  t.same(notes(video('vp9'), 'mp4'), []);
  t.end();
});

t.test('what a codec or a container has no number for is told', (t) => {
  const bottom = { chromaLocation: 'bottom' };
  t.same(notes(video('h264', bottom), 'mp4'), []);
  t.same(notes(video('vp9', { ...bottom, matrix: 'fcc' }), 'webm'), [
    'Colour tags are left out (matrix fcc, chroma location bottom): vp9 (yuv420p) in .webm cannot hold them.',
  ]);
  t.match(readable(video('vp9', { matrix: 'fcc' }), 'mkv'), { matrix: undefined, primaries: 'bt2020' });
  t.match(notes(video('av1', { chromaLocation: 'center' }), 'mp4'), [
    /^Colour tags are left out \(chroma location center\): av1 /,
  ]);
  t.same(notes(video('av1', { chromaLocation: 'left' }), 'mp4'), []);
  t.same(notes(video('ffv1', { range: 'full', primaries: undefined }), 'mov'), [
    'Colour tags are left out (matrix bt2020nc, transfer smpte2084, range full, chroma location topleft): ffv1 (yuv420p) in .mov cannot hold them; .mkv keeps them.',
  ]);
  t.same(readable(video('ffv1', { range: 'full' }), 'mov'), { ...HDR, chromaLocation: undefined });
  const usual = video('ffv1', { range: 'limited', chromaLocation: 'left' });
  t.same(notes(usual, 'mov'), [], 'as players take it');
  t.equal(readable(usual, 'mov').chromaLocation, undefined, 'untold all the same');
  t.match(notes(video('h264', {}, 'yuv444p'), 'mp4'), [/chroma location topleft\): h264 \(yuv444p\)/]);
  t.end();
});

t.test('ProRes has no full range, and 4:2:2 no place of 4:2:0', (t) => {
  const full = video('prores', { range: 'full', chromaLocation: 'left' });
  const coded = { ...HDR, range: 'limited', chromaLocation: undefined };
  t.same(codedTags(full), coded);
  t.same(readable(full, 'mov'), coded);
  t.same(notes(full, 'mov'), ['ProRes has no full range: levels are converted to limited range.']);
  const some = video('prores', { transfer: undefined, chromaLocation: undefined });
  t.match(readable(some, 'mkv'), { matrix: 'bt2020nc', primaries: 'bt2020' });
  t.match(readable(some, 'mov'), { matrix: undefined, primaries: undefined }, 'in its frames alone');
  t.same(notes(some, 'mov'), []);
  t.end();
});

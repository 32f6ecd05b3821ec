import t from 'tap';
import { parseManifest } from '../../../src/model/load/manifest.js';
import { blockIdentity, imageManifest, pictureIdentity, styleNetwork } from '../../fixtures/onnx.js';

const PATH = 'models/x.json';
const parse = (value: unknown) => parseManifest(JSON.stringify(value), PATH);
type Json = Record<string, unknown>;

t.test('manifests of all kinds are read as they stand', async (t) => {
  for (const { manifest } of [
    styleNetwork(),
    pictureIdentity(),
    blockIdentity({ matrix: 'bt601', range: 'full' }),
  ]) {
    const { format, ...rest } = manifest;
    t.equal(format, 1);
    t.same(parse(manifest), rest);
  }
  const normalised = { range: { mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] } };
  t.match(parse(pictureIdentity(normalised).manifest), { input: normalised });
});

t.test('what is no JSON object is refused', async (t) => {
  for (const text of ['', '{', '[]', '3', 'null', '"x"']) {
    t.throws(() => parseManifest(text, PATH), { code: 'model', message: /models\/x\.json/ }, text);
  }
});

t.test('every wrong key is named', async (t) => {
  const image = imageManifest({});
  const input = image.input as Json;
  const style = styleNetwork().manifest;
  const [first] = style.styles as Json[];
  const [norm] = style.norms as Json[];
  const wrong: readonly [unknown, RegExp][] = [
    [{ ...image, format: 3 }, /"format" must be a whole number from 1 to 2/],
    [{ ...image, kind: 'video' }, /"kind" must be "styles" or "image", not "video"/],
    [{ ...image, name: undefined }, /"name" is missing/],
    [{ ...image, name: 'a:b' }, /"name" must be letters/],
    [{ ...image, scale: 5 }, /"scale" must be a whole number from 1 to 4/],
    [{ ...image, scale: '2' }, /"scale"/],
    [{ ...image, multiple: 1.5 }, /"multiple" must be a whole number/],
    [{ ...image, io: 'yuv' }, /"io"/],
    [{ ...image, extra: 1 }, /"extra" is not a known key/],
    [{ ...image, input: { ...input, layuot: 'nchw' } }, /"input\.layuot" is not a known key/],
    [{ ...image, input: { ...input, range: '0..2' } }, /"input\.range" must be "0\.\.1" or/],
    [{ ...image, input: { ...input, type: 'uint8' } }, /"input\.range" must be "0\.\.255"/],
    [
      { ...image, input: { ...input, range: { mean: [0], std: [1] } } },
      /"input\.range\.mean" must be a list of 3/,
    ],
    [{ ...image, input: { ...input, range: { mean: [0, 0, 0], std: [1, 1, 0] } } }, /"input\.range\.std"/],
    [{ ...image, input: 'input' }, /"input" must be an object/],
    [{ ...image, sha256: 'abc' }, /"sha256" must be a SHA-256/],
    [{ ...blockIdentity().manifest, matrix: 'bt470' }, /"matrix"/],
    [{ ...style, styles: [] }, /"styles" must be a list/],
    [{ ...style, styles: [first, first] }, /"styles" names the style "calm" twice/],
    [{ ...style, styles: [{ ...first, vector: undefined }] }, /"styles\[0\]\.vector" is missing/],
    [{ ...style, norms: [norm, { ...norm, channels: 0 }] }, /"norms\[1\]\.channels" must be a whole number/],
    [{ ...style, scale: 1 }, /"scale" is not a known key/],
  ];
  for (const [manifest, message] of wrong)
    t.throws(() => parse(manifest), { code: 'model', message }, `${message}`);
});

t.test('a manifest points at nothing outside its folder', async (t) => {
  const outside = ['/etc/passwd', '../x.onnx', 'a/../../x.onnx', '..', '', 'a/', 'a\0b', '..\\x.onnx'];
  for (const file of outside) {
    t.throws(
      () => parse(imageManifest({ file })),
      { code: 'model', message: /"file" must be a relative path/ },
      JSON.stringify(file),
    );
  }
  for (const file of ['x.onnx', 'weights/x.onnx', '-x.onnx', 'a b\n%d.onnx', 'x..onnx']) {
    t.match(parse(imageManifest({ file })), { file });
  }
  const hostile = JSON.stringify(imageManifest({})).replace('{', '{"__proto__": {"scale": 3},');
  t.throws(() => parseManifest(hostile, PATH), { code: 'model', message: /"__proto__" is not a known key/ });
});

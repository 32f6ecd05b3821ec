/** The bodies of NUT's main and stream headers. */
import {
  CorruptNut,
  type Cursor,
  FLAG,
  MOST_PTS_BITS,
  type NutStream,
  STARTCODE_BYTE,
} from './nut-format.js';
import { type Rational, reduced } from './rational.js';

/** The defaults that a frame's first byte stands for. */
export interface FrameCode {
  readonly flags: number;
  readonly stream: number;
  readonly sizeMul: number;
  readonly sizeLsb: number;
  readonly ptsDelta: number;
  readonly reserved: number;
  readonly headerIdx: number;
}

/** The facts in a main header. */
export interface MainHeader {
  readonly streamCount: number;
  /** Bytes after a syncpoint within which a frame may begin without another. */
  readonly maxDistance: number;
  readonly timeBases: readonly Rational[];
  /** 256 of them. */
  readonly frameCodes: readonly FrameCode[];
  /** Beginnings that frames may leave out, by index; the first is empty. */
  readonly elided: readonly Uint8Array[];
}

/** The facts in a stream header. */
export interface StreamHeader {
  readonly id: number;
  readonly stream: NutStream;
  readonly timeBaseId: number;
  /** Bits of an abbreviated PTS. */
  readonly ptsBits: number;
  /** Ticks between frames above which a frame header carries a checksum. */
  readonly maxPtsDistance: number;
}

const VERSIONS = [2, 3, 4];
const MOST_STREAMS = 256;
const MOST_DISTANCE = 65536;
const MOST_SIDE = 65536;
const INVALID: FrameCode = {
  flags: FLAG.invalid,
  stream: 0,
  sizeMul: 1,
  sizeLsb: 0,
  ptsDelta: 0,
  reserved: 0,
  headerIdx: 0,
};
const KINDS = ['video', 'audio', 'subtitle', 'data'] as const;

/** Parses a main header's body, without its checksum. Throws `CorruptNut` or NEED_MORE. */
export function parseMainHeader(cursor: Cursor): MainHeader {
  const version = cursor.v();
  if (!VERSIONS.includes(version)) throw new CorruptNut(`version ${version} is unknown`);
  if (version > 3) cursor.v(); // minor version
  const streamCount = cursor.v();
  if (streamCount < 1 || streamCount > MOST_STREAMS) throw new CorruptNut(`${streamCount} streams`);
  const maxDistance = Math.min(cursor.v(), MOST_DISTANCE);
  const timeBaseCount = cursor.v();
  const timeBases: Rational[] = [];
  for (let i = 0; i < timeBaseCount; i++) timeBases.push(parseTimeBase(cursor));
  const frameCodes = parseFrameCodes(cursor, streamCount);
  const elided: Uint8Array[] = [new Uint8Array(0)];
  if (cursor.at < cursor.bytes.length) {
    for (let count = cursor.v(); count > 0; count--) elided.push(cursor.take(cursor.v()).slice());
  }
  return { streamCount, maxDistance, timeBases, frameCodes, elided };
}

function parseTimeBase(cursor: Cursor): Rational {
  const base = { num: cursor.v(), den: cursor.v() };
  const valid =
    [base.num, base.den].every((part) => part > 0 && part < 2 ** 31) && reduced(base).num === base.num;
  if (!valid) throw new CorruptNut(`time base ${base.num}/${base.den}`);
  return base;
}

function parseFrameCodes(cursor: Cursor, streamCount: number): FrameCode[] {
  const codes: FrameCode[] = [];
  let [ptsDelta, sizeMul, stream, headerIdx] = [0, 1, 0, 0];
  while (codes.length < 256) {
    const flags = cursor.v();
    const fields = cursor.v();
    if (fields > 0) ptsDelta = cursor.s();
    if (fields > 1) sizeMul = cursor.v();
    if (fields > 2) stream = cursor.v();
    const size = fields > 3 ? cursor.v() : 0;
    const reserved = fields > 4 ? cursor.v() : 0;
    const count = fields > 5 ? cursor.v() : sizeMul - size;
    if (fields > 6) cursor.v64(); // match time
    if (fields > 7) headerIdx = cursor.v();
    for (let extra = fields; extra > 8; extra--) cursor.v();
    const skipsN = codes.length <= STARTCODE_BYTE ? 1 : 0;
    if (count < 1 || count > 256 - skipsN - codes.length)
      throw new CorruptNut(`${count} frame codes in a row`);
    if (stream >= streamCount) throw new CorruptNut(`a frame code for stream ${stream}`);
    if (Math.max(sizeMul, size + count, reserved) > MOST_SIDE)
      throw new CorruptNut('a frame code is out of range');
    for (let j = 0; j < count; j++) {
      if (codes.length === STARTCODE_BYTE) codes.push(INVALID);
      codes.push({ flags, stream, sizeMul, sizeLsb: size + j, ptsDelta, reserved, headerIdx });
    }
    if (codes.length === STARTCODE_BYTE) codes.push(INVALID);
  }
  return codes;
}

/** Parses a stream header's body, without its checksum. Throws `CorruptNut` or NEED_MORE. */
export function parseStreamHeader(cursor: Cursor, main: MainHeader): StreamHeader {
  const id = cursor.v();
  if (id >= main.streamCount) throw new CorruptNut(`a header for stream ${id} of ${main.streamCount}`);
  const kind = KINDS[cursor.v()];
  if (kind === undefined) throw new CorruptNut('a stream of an unknown kind');
  const tagBytes = cursor.v();
  if (tagBytes !== 2 && tagBytes !== 4) throw new CorruptNut(`a codec tag of ${tagBytes} bytes`);
  const fourcc = Buffer.from(cursor.take(tagBytes)).toString('latin1');
  const timeBaseId = cursor.v();
  const timeBase = main.timeBases[timeBaseId];
  if (timeBase === undefined) throw new CorruptNut(`time base number ${timeBaseId}`);
  const ptsBits = cursor.v();
  if (ptsBits > MOST_PTS_BITS) throw new CorruptNut(`PTS of ${ptsBits} bits`);
  const maxPtsDistance = cursor.v();
  const decodeDelay = cursor.v();
  cursor.v(); // flags: fixed frame rate, an index is present
  const extradata = cursor.take(cursor.v()).slice();
  const size =
    kind === 'video' ? parseFrameSize(cursor) : { width: 0, height: 0, sampleAspectRatio: undefined };
  const stream = { kind, fourcc, timeBase, decodeDelay, extradata, ...size };
  return { id, stream, timeBaseId, ptsBits, maxPtsDistance };
}

function parseFrameSize(cursor: Cursor): Pick<NutStream, 'width' | 'height' | 'sampleAspectRatio'> {
  const [width, height] = [cursor.v(), cursor.v()];
  if (width === 0 || height === 0) throw new CorruptNut(`a frame size of ${width}x${height}`);
  const [num, den] = [cursor.v(), cursor.v()];
  return { width, height, sampleAspectRatio: num > 0 && den > 0 ? { num, den } : undefined };
}

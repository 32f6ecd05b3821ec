/** Walks the elements of a Matroska file (RFC 8794, RFC 9559) by their headers, in bounded memory. */
import type { FileHandle } from 'node:fs/promises';

/** An element, by its position and that of its payload in the file or in the given bytes. */
export interface Element {
  readonly id: number;
  readonly at: number;
  readonly start: number;
  /** Undefined if its size is unknown. */
  readonly end: number | undefined;
}

export const ID = {
  ebml: 0x1a45dfa3,
  segment: 0x18538067,
  cluster: 0x1f43b675,
  tracks: 0x1654ae6b,
  trackEntry: 0xae,
  timestamp: 0xe7,
  crc: 0xbf,
  blockGroup: 0xa0,
  block: 0xa1,
  blockAdditions: 0x75a1,
  blockDuration: 0x9b,
  maxBlockAddition: 0x55ee,
  void: 0xec,
} as const;

const LONGEST_HEADER = 12;
/** More elements than any real file has at one level: the most that are read of a damaged or hostile one. */
const MOST_ELEMENTS = 1_000_000;

/**
 * Parses the element at `at` in `bytes`, whose first byte is at `origin` of the file. Undefined if there is
 * none.
 */
export function elementAt(bytes: Uint8Array, at: number, origin = 0): Element | undefined {
  const id = coded(bytes, at, 4, false);
  if (id === undefined) return undefined;
  const size = coded(bytes, at + id.length, 8, true);
  if (size === undefined) return undefined;
  const start = origin + at + id.length + size.length;
  const unknown = size.value === 2n ** BigInt(7 * size.length) - 1n;
  if (!unknown && size.value > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  return {
    id: Number(id.value),
    at: origin + at,
    start,
    end: unknown ? undefined : start + Number(size.value),
  };
}

/**
 * Parses a number whose first byte encodes its length in leading zeros, with or without the bit that ends
 * them.
 */
function coded(bytes: Uint8Array, at: number, longest: number, unmarked: boolean) {
  const first = bytes[at];
  if (first === undefined) return undefined;
  const length = Math.clz32(first) - 23;
  if (length > longest || at + length > bytes.length) return undefined;
  let value = BigInt(unmarked ? first & (0xff >> length) : first);
  for (let place = 1; place < length; place++) value = (value << 8n) | BigInt(bytes[at + place] ?? 0);
  return { value, length };
}

/** Yields the elements within `bytes` from `start` to `end`. Stops at a header that makes no sense. */
export function* elementsIn(
  bytes: Uint8Array,
  start: number,
  end: number,
): Generator<Element & { readonly end: number }> {
  for (let at = start; at < end; ) {
    const element = elementAt(bytes, at);
    if (element?.end === undefined || element.end > end) return;
    yield { ...element, end: element.end };
    at = element.end;
  }
}

/** Yields the elements of the segment, up to the first of unknown size. */
export async function* segmentElements(file: FileHandle): AsyncGenerator<Element> {
  const segment = await segmentOf(file);
  if (segment === undefined) return;
  const { size } = await file.stat();
  const end = Math.min(segment.end ?? size, size);
  let at = segment.start;
  for (let count = 0; count < MOST_ELEMENTS && at < end; count++) {
    const element = await headerAt(file, at);
    if (element === undefined) return;
    yield element;
    if (element.end === undefined) return;
    at = element.end;
  }
}

/** Returns whether the file is as long as its segment declares; true if it declares no size. */
export async function matroskaIsWhole(file: FileHandle): Promise<boolean> {
  const segment = await segmentOf(file);
  return segment?.end === undefined || segment.end <= (await file.stat()).size;
}

async function segmentOf(file: FileHandle): Promise<Element | undefined> {
  const head = await headerAt(file, 0);
  if (head?.id !== ID.ebml || head.end === undefined) return undefined;
  const segment = await headerAt(file, head.end);
  return segment?.id === ID.segment ? segment : undefined;
}

async function headerAt(file: FileHandle, at: number): Promise<Element | undefined> {
  const header = Buffer.alloc(LONGEST_HEADER);
  const { bytesRead } = await file.read(header, 0, header.length, at);
  return elementAt(header.subarray(0, bytesRead), 0, at);
}

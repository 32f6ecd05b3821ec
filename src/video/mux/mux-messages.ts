/**
 * Reads ffmpeg's messages while it muxes the finished file: whether it failed, and what damage copied streams
 * have. Pure.
 */

import { isError, isForgiven, plainMessage } from '../ffmpeg/ffmpeg-messages.js';
import type { Container } from '../formats/container.js';
import type { SourceFacts } from '../source/source-facts.js';
import { mappedActions, streamAt } from './mux-command.js';
import { nameOf, type StreamPlan } from './stream-plan.js';

/** Reads ffmpeg's messages of level `verbose`. */
export interface MuxListener {
  readonly hear: (line: string) => void;
  /**
   * The system's error that left the file unfinished, or the source unread. ffmpeg may still have exited with
   * 0.
   */
  readonly failure: string | undefined;
  /** The muxer's refusal, because of which the file is not whole. ffmpeg may still have exited with 0. */
  readonly refusal: string | undefined;
  /** Packets written so far, by the stream's index in the source; known once ffmpeg has ended. */
  readonly packetsMuxed: ReadonlyMap<number, number>;
  /** The plan as carried out: ISO files leave out tracks without packets. */
  readonly carried: StreamPlan;
  /** Notes on streams that are left out because they are empty, one line each. */
  readonly notes: readonly string[];
  /** Warnings about damage in the streams, one line each. */
  readonly warnings: readonly string[];
}

/** Errors of the system, which are not the source's fault. */
const SYSTEM_ERRORS =
  'No space left on device|Disk quota exceeded|File too large|Read-only file system|Input/output error|Stale file handle|' +
  'Permission denied|Cannot allocate memory|Connection timed out|Transport endpoint is not connected';
const FAILED = new RegExp(`: (?:${SYSTEM_ERRORS})$`);
const SYSTEM_ERROR = new RegExp(SYSTEM_ERRORS);
/** The end of the file could not be written, for any reason. */
const UNFINISHED = /Error (?:writing trailer|closing file)/;
/** A gap of more than 2^31 ticks: after it the muxer of ISO files continues at a wrong time. */
const MISPLACED = /Packet duration: \d{10,} .* is out of range/;
const DROPPED = /Packet corrupt \(stream = (\d+), dts = (\S+)\), dropping it/;
const UNDECODED =
  /Error while decoding stream #\d+:(\d+)|ist#\d+:(\d+)\/\S+ .*Error (?:submitting packet to decoder|decoding)/;
const UNFILTERED = /Error applying bitstream filters to a(?:n output)? packet(?: for stream #\d+:(\d+))?/;
const OUT_OF_ORDER = /Non-monoton(?:ous|ic) DTS/;
/** The number of a stream in the output. */
const PLACE = /(?:output stream \d+:|ost#\d+:)(\d+)/;
const READ = /Input stream #1:(\d+) .*?: (\d+) packets read/;
const MUXED = /Output stream #0:(\d+) .*?(\d+) packets muxed/;
/** Reading ended early, in FFmpeg 6 and later. FFmpeg 5 names the file. */
const DEMUXING = /Error during demuxing/;
const NOT_UTF8 = /Invalid UTF-8/;

/** Returns whether ffmpeg's messages report a fault of the system anywhere. */
export function isSystemFault(text: string): boolean {
  return SYSTEM_ERROR.test(text);
}

/** Damage that ffmpeg reported. The counts are packets, by the stream's index in the source. */
interface Damage {
  /** Left out. */
  readonly lost: Map<number, number>;
  /** Not decoded. */
  readonly unread: Map<number, number>;
  /** Out of order. */
  readonly disordered: Map<number, number>;
  /** True when a text was not UTF-8. */
  notUtf8: boolean;
  /** Messages about the file, not about one of its streams, and the first of them. */
  messages: number;
  first: string | undefined;
}

/** Listens to the run of ffmpeg that carries out `plan`. */
export function muxListener(source: SourceFacts, plan: StreamPlan, container: Container): MuxListener {
  const placed = mappedActions(plan);
  const damage: Damage = {
    ...{ lost: new Map(), unread: new Map(), disordered: new Map() },
    ...{ notUtf8: false, messages: 0, first: undefined },
  };
  const packetsRead = new Map<number, number>();
  const packetsMuxed = new Map<number, number>();
  /** Dropped packets that were reported: ffmpeg may report one twice, first while it looks for streams. */
  const dropsSeen = new Set<string>();
  const demuxer = `[${source.format} @ `;
  const ended = `] file:${source.path}: `;
  let failure: string | undefined;
  let refusal: string | undefined;
  /** The first other error, which may have led to the refusal. */
  let cause: string | undefined;

  const count = (counts: Map<number, number>, index: number | undefined): void => {
    if (index !== undefined && placed.some((action) => action.kind !== 'video' && action.index === index)) {
      counts.set(index, (counts.get(index) ?? 0) + 1);
    }
  };
  const indexAt = (place: string | undefined): number | undefined =>
    place === undefined ? undefined : placed[Number(place)]?.index;

  function hearSummary(line: string): void {
    const read = READ.exec(line);
    if (read !== null) packetsRead.set(Number(read[1]), Number(read[2]));
    const muxed = MUXED.exec(line);
    const index = indexAt(muxed?.[1]);
    if (index !== undefined) packetsMuxed.set(index, Number(muxed?.[2]));
  }

  function hearError(line: string): void {
    const undecoded = UNDECODED.exec(line);
    const unfiltered = UNFILTERED.exec(line);
    if (undecoded !== null) count(damage.unread, Number(undecoded[1] ?? undecoded[2]));
    else if (unfiltered !== null) count(damage.lost, indexAt(unfiltered[1] ?? PLACE.exec(line)?.[1]));
    else if (NOT_UTF8.test(line)) damage.notUtf8 = true;
    else if (FAILED.test(line)) failure ??= plainMessage(line);
    else if (UNFINISHED.test(line)) refusal ??= plainMessage(line);
    else if (line.startsWith(demuxer) || line.includes(ended) || DEMUXING.test(line)) {
      damage.messages += 1;
      damage.first ??= plainMessage(line);
    } else cause ??= plainMessage(line);
  }

  function hear(line: string): void {
    const dropped = DROPPED.exec(line);
    if (line.includes('[verbose]')) hearSummary(line);
    else if (dropped !== null) {
      if (!dropsSeen.has(dropped[0])) count(damage.lost, Number(dropped[1]));
      dropsSeen.add(dropped[0]);
    } else if (OUT_OF_ORDER.test(line)) count(damage.disordered, indexAt(PLACE.exec(line)?.[1]));
    else if (MISPLACED.test(line)) refusal ??= plainMessage(line);
    else if (isError(line) && !isForgiven(line)) hearError(line);
  }

  /**
   * Streams that ISO files leave out. Text is never one: the muxer ends every text track with an empty line.
   */
  const missing = (): readonly number[] =>
    placed.flatMap((action) => {
      const { index } = action;
      const codec = action.kind === 'convert' ? action.encoder : streamAt(source, index).codec;
      const kept = !container.isoMedia || action.kind === 'video' || codec === 'mov_text';
      return kept || packetsMuxed.get(index) !== 0 ? [] : [index];
    });

  return {
    hear,
    packetsMuxed,
    get failure() {
      return failure;
    },
    get refusal() {
      return refusal === undefined ? undefined : (cause ?? refusal);
    },
    get carried() {
      const left = new Set(missing());
      const actions = plan.actions.map((action) =>
        left.has(action.index) ? ({ kind: 'drop', index: action.index } as const) : action,
      );
      return { ...plan, actions };
    },
    get notes() {
      return missing().map((index) => {
        const why = packetsRead.get(index) === 0 ? 'it is empty' : 'none of it could be copied';
        return `${nameOf(streamAt(source, index))} is left out: ${why}, and .${container.name} holds no empty track.`;
      });
    },
    get warnings() {
      return damageLines(source, damage);
    },
  };
}

function damageLines(source: SourceFacts, damage: Damage): readonly string[] {
  const lines: string[] = [];
  const name = (index: number): string => nameOf(streamAt(source, index));
  for (const [index, packets] of damage.lost) {
    lines.push(`${name(index)} is damaged: ${some(packets, 'packets')} left out`);
  }
  for (const [index, lost] of damage.unread) lines.push(unreadLine(source, index, lost, damage.notUtf8));
  for (const [index, moved] of damage.disordered) {
    lines.push(
      `${name(index)} has timestamps that go back: ${some(moved, 'packets')} moved to keep the order; it may be out of sync with the video there`,
    );
  }
  if (damage.messages > 0) {
    lines.push(
      `the file is damaged, and parts of its other streams may be missing: ffmpeg reported ${damage.messages} errors while copying them; the first: ${damage.first}`,
    );
  }
  return lines;
}

function unreadLine(source: SourceFacts, index: number, lost: number, notUtf8: boolean): string {
  const stream = streamAt(source, index);
  if (stream.type !== 'subtitle') {
    return `${nameOf(stream)} is damaged: ${some(lost, 'packets')} left out, which cannot be decoded`;
  }
  const why = notUtf8
    ? 'the text is not UTF-8; fix it in the source, or write .mkv, which keeps it as it is'
    : 'that cannot be decoded';
  return `${nameOf(stream)}: ${some(lost, 'lines')} left out: ${why}`;
}

/** Returns `1 of its packets is` or `3 of its packets are`. */
function some(count: number, what: string): string {
  return `${count} of its ${what} ${count === 1 ? 'is' : 'are'}`;
}

/** What ffmpeg says while it puts the finished file together: whether it failed, and what befell the streams that are carried over. Pure. */

import { isError, isForgiven, plainMessage } from '../ffmpeg/ffmpeg-messages.js';
import type { Container } from '../formats/container.js';
import type { SourceFacts } from '../source/source-facts.js';
import { mappedActions, streamAt } from './mux-command.js';
import { nameOf, type StreamPlan } from './stream-plan.js';

/** Hears what ffmpeg says, at level `verbose`, and makes something of it. */
export interface MuxListener {
  readonly hear: (line: string) => void;
  /** The system's error that left the file unfinished, or the source unread, though ffmpeg may have ended well. */
  readonly failure: string | undefined;
  /** What the muxer or a stream refused, so that the file is not whole, though ffmpeg may have ended well. */
  readonly refusal: string | undefined;
  /** Packets written so far, by the stream's index in the source; known once ffmpeg has ended. */
  readonly packetsMuxed: ReadonlyMap<number, number>;
  /** What became of the plan: ISO files leave out tracks that nothing was written to. */
  readonly carried: StreamPlan;
  /** What of the source's other streams is left out since there is nothing of it, one line each. */
  readonly notes: readonly string[];
  /** What is damaged in them, one line each. */
  readonly warnings: readonly string[];
}

/** The system's errors, which are not the source's fault. */
const SYSTEM_ERRORS =
  'No space left on device|Disk quota exceeded|File too large|Read-only file system|Input/output error|Stale file handle|' +
  'Permission denied|Cannot allocate memory|Connection timed out|Transport endpoint is not connected';
const FAILED = new RegExp(`: (?:${SYSTEM_ERRORS})$`);
const SYSTEM_ERROR = new RegExp(SYSTEM_ERRORS);
/** The end of the file could not be written, for whatever reason. */
const UNFINISHED = /Error (?:writing trailer|closing file)/;
/** A gap of more than 2^31 ticks, after which the muxer of ISO files goes on with another time. */
const MISPLACED = /Packet duration: \d{10,} .* is out of range/;
const DROPPED = /Packet corrupt \(stream = (\d+), dts = (\S+)\), dropping it/;
const UNDECODED =
  /Error while decoding stream #\d+:(\d+)|ist#\d+:(\d+)\/\S+ .*Error (?:submitting packet to decoder|decoding)/;
const UNFILTERED = /Error applying bitstream filters to a(?:n output)? packet(?: for stream #\d+:(\d+))?/;
const OUT_OF_ORDER = /Non-monoton(?:ous|ic) DTS/;
/** In the output. */
const PLACE = /(?:output stream \d+:|ost#\d+:)(\d+)/;
const READ = /Input stream #1:(\d+) .*?: (\d+) packets read/;
const MUXED = /Output stream #0:(\d+) .*?(\d+) packets muxed/;
/** Reading ended early: as FFmpeg 6 and later say it; FFmpeg 5 names the file. */
const DEMUXING = /Error during demuxing/;
const NOT_UTF8 = /Invalid UTF-8/;

/** Whether ffmpeg's words tell of the system's fault anywhere. */
export function isSystemFault(words: string): boolean {
  return SYSTEM_ERROR.test(words);
}

/** Listens to the run of ffmpeg that carries out `plan`. */
export function muxListener(source: SourceFacts, plan: StreamPlan, container: Container): MuxListener {
  const placed = mappedActions(plan);
  // All by index in the source.
  const lost = new Map<number, number>();
  const unread = new Map<number, number>();
  const disordered = new Map<number, number>();
  const packetsRead = new Map<number, number>();
  const packetsMuxed = new Map<number, number>();
  /** What ffmpeg reads to find out what the streams are, it may tell of twice. */
  const told = new Set<string>();
  const demuxer = `[${source.format} @ `;
  const ended = `] file:${source.path}: `;
  let failure: string | undefined;
  let refusal: string | undefined;
  /** What may have led to it. */
  let cause: string | undefined;
  let notUtf8 = false;
  let damage = 0;
  let first: string | undefined;

  const count = (counts: Map<number, number>, index: number | undefined): void => {
    if (index !== undefined && placed.some((action) => action.kind !== 'video' && action.index === index)) {
      counts.set(index, (counts.get(index) ?? 0) + 1);
    }
  };
  const indexAt = (place: string | undefined): number | undefined =>
    place === undefined ? undefined : placed[Number(place)]?.index;

  function summed(line: string): void {
    const read = READ.exec(line);
    if (read !== null) packetsRead.set(Number(read[1]), Number(read[2]));
    const muxed = MUXED.exec(line);
    const index = indexAt(muxed?.[1]);
    if (index !== undefined) packetsMuxed.set(index, Number(muxed?.[2]));
  }

  function complained(line: string): void {
    const undecoded = UNDECODED.exec(line);
    const unfiltered = UNFILTERED.exec(line);
    if (undecoded !== null) count(unread, Number(undecoded[1] ?? undecoded[2]));
    else if (unfiltered !== null) count(lost, indexAt(unfiltered[1] ?? PLACE.exec(line)?.[1]));
    else if (NOT_UTF8.test(line)) notUtf8 = true;
    else if (FAILED.test(line)) failure ??= plainMessage(line);
    else if (UNFINISHED.test(line)) refusal ??= plainMessage(line);
    else if (line.startsWith(demuxer) || line.includes(ended) || DEMUXING.test(line)) {
      damage += 1;
      first ??= plainMessage(line);
    } else cause ??= plainMessage(line);
  }

  function hear(line: string): void {
    const dropped = DROPPED.exec(line);
    if (line.includes('[verbose]')) summed(line);
    else if (dropped !== null) {
      if (!told.has(dropped[0])) count(lost, Number(dropped[1]));
      told.add(dropped[0]);
    } else if (OUT_OF_ORDER.test(line)) count(disordered, indexAt(PLACE.exec(line)?.[1]));
    else if (MISPLACED.test(line)) refusal ??= plainMessage(line);
    else if (isError(line) && !isForgiven(line)) complained(line);
  }

  /** Streams that ISO files leave out: text is not among them, for the muxer ends every text track with an empty line. */
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
        const why = packetsRead.get(index) === 0 ? 'it is empty' : 'nothing of it could be carried over';
        return `${nameOf(streamAt(source, index))} is left out: ${why}, and .${container.name} holds no empty track.`;
      });
    },
    get warnings() {
      const lines: string[] = [];
      for (const [index, packets] of lost) {
        lines.push(`${nameOf(streamAt(source, index))} is damaged: ${some(packets, 'packets')} left out`);
      }
      for (const [index, lost] of unread) lines.push(unreadLine(source, index, lost, notUtf8));
      for (const [index, moved] of disordered) {
        lines.push(
          `${nameOf(streamAt(source, index))} has times that go back: ${some(moved, 'packets')} moved up behind those before; there it may be out of step with the picture`,
        );
      }
      if (damage > 0) {
        lines.push(
          `the file is damaged, and its other streams may lack something: ffmpeg told of it ${damage} times in carrying them over, first: ${first}`,
        );
      }
      return lines;
    },
  };
}

function unreadLine(source: SourceFacts, index: number, lost: number, notUtf8: boolean): string {
  const stream = streamAt(source, index);
  if (stream.type !== 'subtitle') {
    return `${nameOf(stream)} is damaged: ${some(lost, 'packets')} left out, which cannot be decoded`;
  }
  const why = notUtf8
    ? 'the text is not UTF-8; mend it in the source, or write .mkv, which keeps it as it is'
    : 'that cannot be decoded';
  return `${nameOf(stream)}: ${some(lost, 'lines')} left out: ${why}`;
}

/** `1 of its packets is`, `3 of its packets are`. */
function some(count: number, what: string): string {
  return `${count} of its ${what} ${count === 1 ? 'is' : 'are'}`;
}

/** The plan for the streams of a source, and the names and options that follow from it. Pure. */
import type { StreamFacts } from '../source/source-facts.js';

/** The action for one stream of the source. `index` is ffmpeg's index in the source. */
export type StreamAction =
  /** The processed video. */
  | { readonly kind: 'video'; readonly index: number }
  /** Copied bit for bit. `timeBase`: seconds per tick (`1/1000`) of the new track, if its own is too fine. */
  | { readonly kind: 'copy'; readonly index: number; readonly timeBase?: string }
  /** Decoded and encoded again with ffmpeg's `encoder`. */
  | {
      readonly kind: 'convert';
      readonly index: number;
      readonly encoder: string;
      readonly options: readonly string[];
      readonly timeBase?: string;
    }
  /** Cover art that the container holds as an attached file. */
  | { readonly kind: 'attach'; readonly index: number; readonly fileName: string; readonly mimeType: string }
  /** Not copied: the muxer writes this timecode or chapter track itself. */
  | { readonly kind: 'remade'; readonly index: number }
  | { readonly kind: 'drop'; readonly index: number };

/** Every stream of the source in its order, with its action. */
export interface StreamPlan {
  readonly actions: readonly StreamAction[];
  /** Notes for the user, one line for each stream that is not carried over as it is. */
  readonly notes: readonly string[];
  /** True if the video goes alone: without the source's own metadata and chapters, too. */
  readonly isAlone?: true;
}

/** Returns the name of a stream in messages: `Subtitle stream 3 (subrip, ger, Forced)`. */
export function nameOf(stream: StreamFacts): string {
  const what = stream.attachedPicture
    ? 'cover art'
    : stream.type === 'attachment'
      ? 'attachment'
      : `${stream.type} stream`;
  const codec = stream.codec === 'none' || stream.codec === 'unknown' ? stream.codecTag : stream.codec;
  const file = stream.tags.filename;
  const facts = [codec, stream.language, stream.title ?? file].filter(
    (fact) => fact !== undefined && fact !== '' && !fact.startsWith('[0]'),
  );
  const details = facts.length === 0 ? '' : ` (${facts.join(', ')})`;
  return `${what.charAt(0).toUpperCase()}${what.slice(1)} ${stream.index}${details}`;
}

/** Returns the output options for one stream: number `place` in the output, mapped from input `input`. */
export function codecOptions(action: StreamAction, place: number, input: number): readonly string[] {
  const map = ['-map', `${input}:${action.index}`];
  switch (action.kind) {
    case 'copy':
      return [...map, `-c:${place}`, 'copy', ...timeBaseOptions(action.timeBase, place)];
    case 'convert':
      return [
        ...map,
        `-c:${place}`,
        action.encoder,
        ...action.options.map((option) => (option.startsWith('-') ? `${option}:${place}` : option)),
        ...timeBaseOptions(action.timeBase, place),
      ];
    case 'video':
    case 'attach':
    case 'remade':
    case 'drop':
      return [];
  }
}

function timeBaseOptions(timeBase: string | undefined, place: number): readonly string[] {
  return timeBase === undefined ? [] : [`-time_base:${place}`, timeBase];
}

/** The ways to carry a stream over, best first, and the notes on the way that was taken. Pure. */
import type { Container } from '../formats/container.js';
import { nameOf, type StreamAction } from '../mux/stream-plan.js';
import type { StreamFacts } from '../source/source-facts.js';
import type { AudioEncoding } from './stream-choices.js';

/** Images that can be attached as a file, by ffmpeg's codec name. */
const COVER_FILES: Readonly<Record<string, readonly [extension: string, mimeType: string]>> = {
  mjpeg: ['jpg', 'image/jpeg'],
  png: ['png', 'image/png'],
  bmp: ['bmp', 'image/bmp'],
  gif: ['gif', 'image/gif'],
  webp: ['webp', 'image/webp'],
  tiff: ['tif', 'image/tiff'],
};

/**
 * The finest time base for text. In the muxer's own, a microsecond, an ISO file holds no line of 36 minutes.
 */
const TEXT_TIME_BASE = '1/1000';
/** Holds lines and gaps of 248 days; milliseconds hold 24. */
const COARSE_TIME_BASE = '1/100';

/**
 * Returns the actions to try for `stream`, in order: copy, convert, leave out. Audio that is `edited` is not
 * copied: a copy would bring back what an edit list hides. Nor is any if an encoding is `asked` for.
 */
export function ladderFor(
  stream: StreamFacts,
  edited: boolean,
  container: Container,
  asked: AudioEncoding | undefined,
): readonly StreamAction[] {
  const { index, type } = stream;
  if (stream.attachedPicture && container.coverArt !== 'stream') return coverArtLadder(stream, container);
  const copied = !edited && !(type === 'audio' && asked !== undefined);
  const timed = !edited && container.isoMedia && (type === 'subtitle' || type === 'data');
  return [
    ...(copied ? [{ kind: 'copy', index } as const] : []),
    ...(timed ? [{ kind: 'copy', index, timeBase: TEXT_TIME_BASE } as const] : []),
    ...conversions(stream, container, asked),
    { kind: 'drop', index },
  ];
}

function coverArtLadder(stream: StreamFacts, container: Container): readonly StreamAction[] {
  const { index } = stream;
  const file = COVER_FILES[stream.codec];
  if (container.coverArt === 'none' || file === undefined) return [{ kind: 'drop', index }];
  const [extension, mimeType] = file;
  const fileName = stream.tags.filename ?? stream.tags.FILENAME ?? `cover.${extension}`;
  return [
    { kind: 'attach', index, fileName, mimeType },
    { kind: 'drop', index },
  ];
}

function conversions(
  { index, type }: StreamFacts,
  container: Container,
  asked: AudioEncoding | undefined,
): readonly StreamAction[] {
  if (type === 'audio') {
    const { encoder, bitRate } = asked ?? container.audioFallback;
    const options = bitRate === undefined ? [] : ['-b', bitRate];
    return [
      { kind: 'convert', index, encoder, options },
      // Encoders refuse some layouts; all accept two channels.
      { kind: 'convert', index, encoder, options: [...options, '-ac', '2'] },
    ];
  }
  if (type !== 'subtitle') return [];
  const bases = container.isoMedia ? [undefined, TEXT_TIME_BASE, COARSE_TIME_BASE] : [undefined];
  return container.textSubtitles.flatMap((encoder) =>
    bases.map((timeBase): StreamAction => {
      const action = { kind: 'convert', index, encoder, options: [] } as const;
      return timeBase === undefined ? action : { ...action, timeBase };
    }),
  );
}

/** Why a stream is not copied, besides its container. */
export interface Reasons {
  readonly edited: boolean;
  readonly asked: AudioEncoding | undefined;
}

/** Returns the note on a stream that is not copied as it is; undefined if there is nothing to note. */
export function lineFor(
  action: StreamAction,
  stream: StreamFacts,
  reasons: Reasons,
  container: Container,
  keepers: readonly string[],
): string | undefined {
  switch (action.kind) {
    case 'convert':
      return conversionLine(action, stream, reasons, container);
    case 'copy':
      return action.timeBase === undefined
        ? undefined
        : `${nameOf(stream)}: its times are rounded to ${action.timeBase} s, because .${container.name} holds no longer lines and gaps otherwise.`;
    case 'drop': {
      const names = keepers
        .map((name) => `.${name}`)
        .join(', ')
        .replace(/, (?=[^,]*$)/, ' and ');
      const remedy = keepers.length === 0 ? '' : `; ${names} ${keepers.length > 1 ? 'keep' : 'keeps'} it`;
      return `${nameOf(stream)} is left out: .${container.name} cannot hold it${remedy}.`;
    }
    case 'video':
    case 'attach':
    case 'remade':
      return undefined;
  }
}

function conversionLine(
  { encoder, options, timeBase }: StreamAction & { readonly kind: 'convert' },
  stream: StreamFacts,
  { edited, asked }: Reasons,
  container: Container,
): string {
  const refused = edited
    ? 'an edit list hides part of it, which a copy would bring back'
    : `.${container.name} cannot hold ${stream.codec}`;
  if (stream.type === 'subtitle') {
    const losses = [
      ...(stream.codec === 'ass' || stream.codec === 'ssa' ? ['fonts and positions may be lost'] : []),
      ...(encoder === 'mov_text' ? ['where lines overlap, only the latest is shown'] : []),
      ...(timeBase === COARSE_TIME_BASE ? [`times are rounded to ${timeBase} s, for its long lines`] : []),
    ];
    return `${[`${nameOf(stream)} is converted to ${encoder}, because ${refused}`, ...losses].join('; ')}.`;
  }
  const mixed = options.includes('-ac') ? ', mixed down to stereo' : '';
  const { label } = asked ?? container.audioFallback;
  const why = asked === undefined ? `because ${refused}` : 'as --audio says';
  return `${nameOf(stream)} is converted to ${label}${mixed}, ${why}.`;
}

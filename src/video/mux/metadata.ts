/** The file's own metadata: what is carried, and what an MP4 or QuickTime file has no place for. Pure. */
import type { Container } from '../formats/container.js';
import type { SourceFacts } from '../source/source-facts.js';

/** Says what the source's container is, not what the film is. */
export const CONTAINER_TAGS: readonly string[] = ['major_brand', 'minor_version', 'compatible_brands'];
/** Says how a stream was encoded, which a new encoding makes untrue. Matroska appends a language to its names (`BPS-eng`). */
const STALE_TAG = /^(encoder|BPS|DURATION|NUMBER_OF_FRAMES|NUMBER_OF_BYTES|_STATISTICS_\w+)(-\w+)?$/i;
/** Carried otherwise, or rightly not at all. */
const NOT_KEYS = new Set(['creation_time', 'encoder', 'timecode', 'duration', ...CONTAINER_TAGS]);
/** The keys for which FFmpeg's muxers have a place that every player knows. */
const PLAIN_KEYS = {
  mp4: new Set(
    (
      'title artist author album_artist composer album date comment genre copyright grouping lyrics description ' +
      'synopsis show episode_id network keywords episode_sort season_number media_type hd_video gapless_playback ' +
      'compilation track disc'
    ).split(' '),
  ),
  mov: new Set('title artist author album date comment genre copyright description'.split(' ')),
} as const;

/** Of a stream's tags those that no longer hold once it is encoded anew. */
export function staleTags(tags: Readonly<Record<string, string>>): readonly string[] {
  return Object.keys(tags).filter((tag) => STALE_TAG.test(tag));
}

/** How the file's metadata goes into `container`. */
export interface MetadataPlan {
  /** Whether an MP4 or QuickTime file is written with keys of any name (`use_metadata_tags`); it then holds no cover art. */
  readonly anyKeys: boolean;
  /** Keys that are left out. */
  readonly lost: readonly string[];
}

/** Plans the metadata. Where the plain keys do not suffice, any names are used, unless cover art is carried, which matters more. */
export function planMetadata(source: SourceFacts, container: Container, coverArt: boolean): MetadataPlan {
  if (!container.isoMedia) return { anyKeys: false, lost: [] };
  const plain: ReadonlySet<string> = PLAIN_KEYS[container.name === 'mov' ? 'mov' : 'mp4'];
  const others = Object.keys(source.tags).filter((key) => {
    const name = key.toLowerCase();
    return !plain.has(name) && !NOT_KEYS.has(name);
  });
  const anyKeys = others.length > 0 && !coverArt;
  return { anyKeys, lost: anyKeys ? [] : others };
}

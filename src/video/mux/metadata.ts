/**
 * Plans the file's own metadata: what is carried over, and what an MP4 or QuickTime file cannot hold. Pure.
 */
import type { Container } from '../formats/container.js';
import type { SourceFacts } from '../source/source-facts.js';

/** Tags that describe the source's container, not the video. */
export const CONTAINER_TAGS: readonly string[] = ['major_brand', 'minor_version', 'compatible_brands'];
/**
 * Tags that describe how a stream was encoded: a new encoding makes them untrue. Matroska appends a language
 * to their names (`BPS-eng`).
 */
const STALE_TAG = /^(encoder|BPS|DURATION|NUMBER_OF_FRAMES|NUMBER_OF_BYTES|_STATISTICS_\w+)(-\w+)?$/i;
/** Keys that are carried in another way, or must not be carried. */
const NOT_KEYS = new Set(['creation_time', 'encoder', 'timecode', 'duration', ...CONTAINER_TAGS]);
/** The keys that FFmpeg's muxers write in a form that every player knows. */
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

/** Returns the tags of a stream that no longer hold after a new encoding. */
export function staleTags(tags: Readonly<Record<string, string>>): readonly string[] {
  return Object.keys(tags).filter((tag) => STALE_TAG.test(tag));
}

/** The plan for the file's metadata in a container. */
export interface MetadataPlan {
  /**
   * True if an MP4 or QuickTime file is written with keys of any name (`use_metadata_tags`). It then holds no
   * cover art.
   */
  readonly anyKeys: boolean;
  /** Keys that are left out. */
  readonly lost: readonly string[];
}

/**
 * Plans the metadata. If the plain keys are not enough, any names are used, unless there is cover art: it
 * matters more.
 */
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

/** Works out which colour tags codecs and containers can carry, and ffprobe can read back. Pure. */

import type { ColourTags } from '../formats/colour-names.js';
import type { Container } from '../formats/container.js';
import type { EncodeSpec } from './codec.js';
import { CODEC_FACTS } from './codecs.js';

/** The part of an encoding that matters for colour tags. */
export type Tagged = Pick<EncodeSpec, 'codec' | 'pixelFormat' | 'tags'>;

type Tag = keyof ColourTags;

/**
 * Returns the tags of the encoded frames, after levels and matrix are converted for the codec. A chroma
 * location is one of 4:2:0's.
 */
export function codedTags({ codec, pixelFormat, tags }: Tagged): ColourTags {
  const { fullRange, onlyMatrix } = CODEC_FACTS[codec].colour;
  return {
    ...tags,
    matrix: onlyMatrix ?? tags.matrix,
    range: fullRange ? tags.range : 'limited',
    chromaLocation: is420(pixelFormat) ? tags.chromaLocation : undefined,
  };
}

/** Returns the tags that ffprobe must find in the finished file; undefined for those that may be missing. */
export function readableTags(video: Tagged, container: Container): ColourTags {
  const tags = codedTags(video);
  const lost = lostTags(video, container);
  const { matrix, primaries, transfer, chromaLocation } = tags;
  // QuickTime's `colr` holds all three or nothing. ProRes has tags in its frames, which FFmpeg 7 does not
  // report for the stream.
  const frameOnly = container.isoMedia && video.codec === 'prores' && !hasAllThree(tags);
  const inVpcc = video.codec === 'vp9' && container.isoMedia;
  const sited = !inVpcc && sitesOf(video, container).includes(chromaLocation ?? '');
  const kept = (tag: Tag, value: string | undefined) => (frameOnly || lost.includes(tag) ? undefined : value);
  return {
    matrix: kept('matrix', matrix),
    primaries: kept('primaries', primaries),
    transfer: kept('transfer', transfer),
    range: lost.includes('range') ? 'limited' : tags.range,
    chromaLocation: sited ? chromaLocation : undefined,
  };
}

/** Returns notes on tags that the output cannot carry, one line each. */
export function tagNotes(
  video: Tagged & Pick<EncodeSpec, 'matrix'>,
  container: Container,
): readonly string[] {
  const { codec, tags } = video;
  const { title, colour } = CODEC_FACTS[codec];
  const lost = lostTags(video, container);
  const lines: string[] = [];
  if (codedTags(video).range !== tags.range) {
    lines.push(`${title} has no full range: levels are converted to limited range.`);
  }
  if (colour.onlyMatrix !== undefined && colour.onlyMatrix !== video.matrix) {
    lines.push(
      `${title} is always read as ${colour.onlyMatrix}: colours are converted from ${video.matrix}.`,
    );
  }
  if (lost.length > 0) {
    const names = lost.map((tag) => `${TAG_NAMES[tag]} ${tags[tag]}`).join(', ');
    const mkv = { ...container, name: 'mkv', isoMedia: false } as const;
    const others = lostTags(video, mkv).length === 0 ? '; .mkv keeps them' : '';
    lines.push(
      `Colour tags are left out (${names}): ${codec} (${video.pixelFormat}) in .${container.name} cannot hold them${others}.`,
    );
  }
  return lines;
}

const TAG_NAMES: Readonly<Record<Tag, string>> = {
  matrix: 'matrix',
  primaries: 'primaries',
  transfer: 'transfer',
  range: 'range',
  chromaLocation: 'chroma location',
};

/**
 * Returns the tags that neither codec nor container can hold. Without a tag, players assume chroma location
 * `left` and limited range.
 */
function lostTags(video: Tagged, container: Container): readonly Tag[] {
  const { matrices, isoTags } = CODEC_FACTS[video.codec].colour;
  const tags = codedTags(video);
  const lost: Tag[] = [];
  if (tags.matrix !== undefined && matrices?.includes(tags.matrix) === false) lost.push('matrix');
  if (isoTags === 'three or none' && container.isoMedia) {
    const three: readonly Tag[] = ['matrix', 'primaries', 'transfer'];
    if (!hasAllThree(tags)) lost.push(...three.filter((tag) => tags[tag] !== undefined));
    if (tags.range === 'full') lost.push('range');
  }
  // The source's location: even formats other than 4:2:0 may have one, but their chroma was made from 4:2:0
  // at `left`.
  const site = video.tags.chromaLocation;
  if (site !== undefined && site !== 'left' && !sitesOf(video, container).includes(site)) {
    lost.push('chromaLocation');
  }
  return lost;
}

function sitesOf({ codec, pixelFormat }: Tagged, container: Container): readonly string[] {
  return is420(pixelFormat) ? CODEC_FACTS[codec].colour.chromaLocations(container) : [];
}

function is420(pixelFormat: string): boolean {
  return pixelFormat.startsWith('yuv420p');
}

function hasAllThree({ matrix, primaries, transfer }: ColourTags): boolean {
  return matrix !== undefined && primaries !== undefined && transfer !== undefined;
}

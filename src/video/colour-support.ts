/** Which colour tags codecs and containers can carry, and ffprobe can read back. Pure. */
import type { Container } from './container.js';
import type { ColourTags, EncodeSpec } from './encode.js';

/** How a video is encoded, as far as its colour tags go. */
export type Tagged = Pick<EncodeSpec, 'codec' | 'pixelFormat' | 'tags'>;

type Tag = keyof ColourTags;

/** VP9 has numbers for these matrices alone (VP9 specification, 7.2.2). */
const VP9_MATRICES = ['bt709', 'bt470bg', 'smpte170m', 'smpte240m', 'bt2020nc'];
/** AV1 specification, 6.4.2. */
const AV1_SITES = ['left', 'topleft'];
/** `vpcC` has numbers for these, but ffprobe does not read them. */
const VPCC_SITES = ['left', 'topleft'];
/** Matroska says for each direction whether chroma lies with the first luma sample or half way to the next. */
const MATROSKA_SITES = ['left', 'center', 'topleft', 'top'];

/** What the encoded frames are: ProRes has no full range, so levels are converted, and a site is one of 4:2:0's. */
export function codedTags({ codec, pixelFormat, tags }: Tagged): ColourTags {
  return {
    ...tags,
    range: codec === 'prores' ? 'limited' : tags.range,
    chromaLocation: pixelFormat === 'yuv420p' ? tags.chromaLocation : undefined,
  };
}

/** The tags that ffprobe must find in the finished file; undefined for what need not be there. */
export function readableTags(video: Tagged, container: Container): ColourTags {
  const tags = codedTags(video);
  const lost = lostTags(video, container);
  const { matrix, primaries, transfer, chromaLocation } = tags;
  // QuickTime's `colr` holds all three or nothing; what ProRes has in its frames, FFmpeg 7 does not tell of the stream.
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

/** What the user should know of tags that the output cannot carry, one line each. */
export function tagNotes(video: Tagged, container: Container): readonly string[] {
  const { codec, tags } = video;
  const lost = lostTags(video, container);
  const lines: string[] = [];
  if (codedTags(video).range !== tags.range) {
    lines.push('ProRes has no full range: levels are converted to limited range.');
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

/** The tags that neither codec nor container can say. Without a tag, players take chroma for `left` and levels for limited. */
function lostTags(video: Tagged, container: Container): readonly Tag[] {
  const { codec } = video;
  const tags = codedTags(video);
  const lost: Tag[] = [];
  if (codec === 'vp9' && tags.matrix !== undefined && !VP9_MATRICES.includes(tags.matrix))
    lost.push('matrix');
  if (codec === 'ffv1' && container.isoMedia) {
    const three: readonly Tag[] = ['matrix', 'primaries', 'transfer'];
    if (!hasAllThree(tags)) lost.push(...three.filter((tag) => tags[tag] !== undefined));
    if (tags.range === 'full') lost.push('range');
  }
  // Of the source: of other formats than 4:2:0 too, whose chroma was made from 4:2:0 as if it lay `left`.
  const site = video.tags.chromaLocation;
  if (site !== undefined && site !== 'left' && !sitesOf(video, container).includes(site)) {
    lost.push('chromaLocation');
  }
  return lost;
}

function sitesOf({ codec, pixelFormat }: Tagged, container: Container): readonly string[] {
  if (pixelFormat !== 'yuv420p') return [];
  switch (codec) {
    case 'h264':
    case 'hevc':
      return ['left', 'center', 'topleft', 'top', 'bottomleft', 'bottom'];
    case 'av1':
      return AV1_SITES;
    case 'vp9':
      return container.isoMedia ? VPCC_SITES : MATROSKA_SITES;
    case 'ffv1':
      return container.isoMedia ? [] : MATROSKA_SITES;
    case 'prores':
      return [];
  }
}

function hasAllThree({ matrix, primaries, transfer }: ColourTags): boolean {
  return matrix !== undefined && primaries !== undefined && transfer !== undefined;
}

/** ffmpeg's names of colour tags, each at its place in ITU-T H.273: those that all encoders know. Pure. */

export const MATRICES: readonly string[] = [
  ...['gbr', 'bt709', '', '', 'fcc', 'bt470bg', 'smpte170m', 'smpte240m', 'ycgco', 'bt2020nc', 'bt2020c'],
  ...['smpte2085', 'chroma-derived-nc', 'chroma-derived-c', 'ictcp'],
];
export const PRIMARIES: readonly string[] = [
  ...['', 'bt709', '', '', 'bt470m', 'bt470bg', 'smpte170m', 'smpte240m', 'film', 'bt2020', 'smpte428'],
  ...['smpte431', 'smpte432', '', '', '', '', '', '', '', '', '', 'ebu3213'],
];
export const TRANSFERS: readonly string[] = [
  ...['', 'bt709', '', '', 'bt470m', 'bt470bg', 'smpte170m', 'smpte240m', 'linear', 'log100', 'log316'],
  ...['iec61966-2-4', 'bt1361e', 'iec61966-2-1', 'bt2020-10', 'bt2020-12', 'smpte2084', 'smpte428'],
  'arib-std-b67',
];

/**
 * The meaning of the frames' numbers, by ffmpeg's names; undefined if unspecified. Goes into the bitstream.
 */
export interface ColourTags {
  /** `-colorspace`: bt709, smpte170m, bt470bg, bt2020nc ... */
  readonly matrix: string | undefined;
  /** `-color_primaries` */
  readonly primaries: string | undefined;
  /** `-color_trc` */
  readonly transfer: string | undefined;
  readonly range: 'limited' | 'full';
  /** `-chroma_sample_location`: left, center, topleft ... */
  readonly chromaLocation: string | undefined;
}

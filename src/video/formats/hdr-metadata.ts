/** Static HDR metadata: SMPTE ST 2086 and CTA-861.3, together HDR10's. Pure. */

/** Values by ffprobe's names: texts or numbers. */
type Fields = Readonly<Record<string, unknown>>;

/** A colour's CIE 1931 coordinates. */
export type Chromaticity = readonly [x: number, y: number];

/** The display on which the video was mastered. */
export interface MasteringDisplay {
  readonly red: Chromaticity;
  readonly green: Chromaticity;
  readonly blue: Chromaticity;
  readonly white: Chromaticity;
  /** cd/m2. */
  readonly least: number;
  readonly most: number;
}

/** The light of the brightest pixel, and of the brightest frame on average, in whole cd/m2. */
export interface ContentLight {
  readonly content: number;
  readonly average: number;
}

export interface HdrMetadata {
  readonly mastering?: MasteringDisplay;
  readonly light?: ContentLight;
}

/** Bounds of what bitstreams hold. */
const MOST_LUMINANCE = 10_000;
const MOST_LIGHT = 65_535;
/** Differences by the fixed-point numbers of other codecs: AV1's have 16, 8 and 14 bits of fraction. */
const CHROMATICITY_STEP = 0.000_03;
const MOST_STEP = 0.005;
const LEAST_STEP = 0.000_1;

/** Reads ffprobe's fields of a stream's or a frame's side data; undefined if they hold no such metadata. */
export function hdrMetadataOf(fields: Fields): HdrMetadata | undefined {
  const mastering = masteringOf(fields);
  const light = lightOf(fields);
  if (mastering === undefined && light === undefined) return undefined;
  return { ...(mastering === undefined ? {} : { mastering }), ...(light === undefined ? {} : { light }) };
}

/** Returns the names of what metadata hold. */
export function hdrParts({ mastering, light }: HdrMetadata): string {
  return [mastering && 'mastering display', light && 'content light level'].filter(Boolean).join(', ');
}

/** Returns whether `found` says the same as `wanted`, but for rounding. */
export function isSameHdr(found: HdrMetadata | undefined, { mastering, light }: HdrMetadata): boolean {
  const [display, own] = [found?.mastering, found?.light];
  const isLight = light === undefined || (own?.content === light.content && own.average === light.average);
  if (mastering === undefined || display === undefined) return isLight && mastering === undefined;
  const near = (a: number, b: number, step: number): boolean => Math.abs(a - b) <= step;
  return (
    isLight &&
    near(display.most, mastering.most, MOST_STEP) &&
    near(display.least, mastering.least, LEAST_STEP) &&
    (['red', 'green', 'blue', 'white'] as const).every((colour) =>
      [0, 1].every((at) => near(display[colour][at] ?? 0, mastering[colour][at] ?? 0, CHROMATICITY_STEP)),
    )
  );
}

function masteringOf(fields: Fields): MasteringDisplay | undefined {
  const colour = (name: string): Chromaticity | undefined => {
    const [x, y] = [ratio(fields[`${name}_x`]), ratio(fields[`${name}_y`])];
    return x !== undefined && y !== undefined && x <= 1 && y <= 1 ? [x, y] : undefined;
  };
  const [red, green, blue] = [colour('red'), colour('green'), colour('blue')];
  const [white, least, most] = [
    colour('white_point'),
    ratio(fields.min_luminance),
    ratio(fields.max_luminance),
  ];
  if (red === undefined || green === undefined || blue === undefined || white === undefined) return undefined;
  if (least === undefined || most === undefined || least >= most || most > MOST_LUMINANCE) return undefined;
  return { red, green, blue, white, least, most };
}

function lightOf(fields: Fields): ContentLight | undefined {
  const [content, average] = [ratio(fields.max_content), ratio(fields.max_average)];
  const fits = (one: number | undefined): one is number =>
    one !== undefined && Number.isInteger(one) && one <= MOST_LIGHT;
  return fits(content) && fits(average) && content + average > 0 ? { content, average } : undefined;
}

/** Returns the value of `34000/50000`, or of a number; undefined if it is negative or none. */
function ratio(value: unknown): number | undefined {
  const [num, den = 1] = String(value).split('/').map(Number);
  const found = (num ?? Number.NaN) / den;
  return Number.isFinite(found) && found >= 0 ? found : undefined;
}

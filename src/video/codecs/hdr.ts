/** Static HDR metadata in the settings of encoders. Pure. */
import type { Chromaticity, HdrMetadata } from '../formats/hdr-metadata.js';

/** Units of ITU-T H.265, D.3.28: 0.00002 and 0.0001 cd/m2. */
const CHROMATICITY_UNITS = 50_000;
const LUMINANCE_UNITS = 10_000;

/** Returns x265's settings. */
export function x265Hdr({ mastering, light }: HdrMetadata): readonly string[] {
  const whole = (value: number, units: number): string => String(Math.round(value * units));
  return [
    ...(mastering === undefined
      ? []
      : [
          `master-display=${display(
            mastering,
            (one) => whole(one, CHROMATICITY_UNITS),
            (one) => whole(one, LUMINANCE_UNITS),
          )}`,
        ]),
    ...(light === undefined ? [] : [`max-cll=${light.content},${light.average}`]),
  ];
}

/** Returns SVT-AV1's settings. */
export function svtHdr({ mastering, light }: HdrMetadata): readonly string[] {
  return [
    ...(mastering === undefined
      ? []
      : [
          `mastering-display=${display(
            mastering,
            (one) => one.toFixed(5),
            (one) => one.toFixed(4),
          )}`,
        ]),
    ...(light === undefined ? [] : [`content-light=${light.content},${light.average}`]),
  ];
}

function display(
  { red, green, blue, white, least, most }: NonNullable<HdrMetadata['mastering']>,
  coordinate: (value: number) => string,
  luminance: (value: number) => string,
): string {
  const point = ([x, y]: Chromaticity): string => `(${coordinate(x)},${coordinate(y)})`;
  const light = `(${luminance(most)},${luminance(least)})`;
  return `G${point(green)}B${point(blue)}R${point(red)}WP${point(white)}L${light}`;
}

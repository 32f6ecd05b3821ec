/** Numbers as text that reads back to the same bits. */

const MOST_DIGITS = 9;

/** Returns a finite float64 as its shortest decimal; -0 as -0.0: some readers take -0 for the integer. */
export function float64Text(value: number): string {
  return Object.is(value, -0) ? '-0.0' : String(value);
}

/**
 * Returns a finite float32 as its nearest decimal of so few digits that the same float32 comes back, also by
 * way of float64: 0.1, not 0.10000000149011612.
 */
export function float32Text(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 24) return float64Text(value);
  // More digits come nearer, so what does for some number of digits does for every larger one.
  let [least, most] = [1, MOST_DIGITS];
  while (least < most) {
    const digits = (least + most) >> 1;
    if (comesBack(Number(value.toPrecision(digits)), value)) most = digits;
    else least = digits + 1;
  }
  return String(Number(value.toPrecision(least)));
}

/** Returns whether `decimal` is nearer to `value` than to any other float32, and not half way. */
function comesBack(decimal: number, value: number): boolean {
  if (Math.fround(decimal) !== value) return false;
  const mirrored = 2 * decimal - value;
  return decimal === value || Math.fround(mirrored) !== mirrored;
}

/**
 * Returns the bits of the float16 (IEEE 754 binary16) nearest to a number below 65520, from where on they
 * round to infinity; ties to even.
 */
export function fp16Bits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  // Below 2^-14 all steps have one size; above, 1024 steps lie between two powers of 2.
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const steps = size / 2 ** (exponent - 10);
  const below = Math.floor(steps);
  const rest = steps - below;
  const rounded = rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
  return sign + (exponent + 14) * 1024 + rounded;
}

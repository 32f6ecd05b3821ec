import leven from 'leven';

/** Returns a name without case and with `-` for `_`: users confuse these more often than letters. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

/** Returns the one of `names` that `given` was most likely meant to be, if any is near enough. */
export function nearest(given: string, names: readonly string[]): string | undefined {
  const distances = names.map((name) => ({ name, distance: leven(plain(given), plain(name)) }));
  const [best] = distances.toSorted((a, b) => a.distance - b.distance);
  const most = Math.max(1, Math.floor(given.length / 3));
  return best !== undefined && best.distance <= most ? best.name : undefined;
}

/** Returns `: did you mean NAME?`, or an empty text. */
export function didYouMean(given: string, names: readonly string[]): string {
  const name = nearest(given, names);
  return name === undefined ? '' : `: did you mean ${name}?`;
}

import leven from 'leven';

/** Names differ in case, and in whether words are joined by `_` or `-`, more often than in letters. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

/** The one of `names` that `given` was most likely meant for, if any is near enough. */
export function nearest(given: string, names: readonly string[]): string | undefined {
  const distances = names.map((name) => ({ name, distance: leven(plain(given), plain(name)) }));
  const [best] = distances.toSorted((a, b) => a.distance - b.distance);
  const most = Math.max(1, Math.floor(given.length / 3));
  return best !== undefined && best.distance <= most ? best.name : undefined;
}

/** `: did you mean NAME?`, or nothing. */
export function didYouMean(given: string, names: readonly string[]): string {
  const name = nearest(given, names);
  return name === undefined ? '' : `: did you mean ${name}?`;
}

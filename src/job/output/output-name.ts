import { derivedName, derivedPath } from '../../storage/location/derived-names.js';
import { atName, displayText, lastName, parseLocation, textOf } from '../../storage/location/location.js';
import { JobError } from '../../system/errors.js';
import { tableFormatNamed, tableFormatOf } from '../../table/write.js';
import { CODEC_FACTS } from '../../video/codecs/codecs.js';
import { containerFor, containerNamed } from '../../video/formats/container.js';
import type { RunOptions } from '../context/options.js';

/** The options that decide the names of outputs which the user does not name. */
export type OutputNaming = Pick<RunOptions, 'format' | 'codec'>;

/** The container for videos whose own cannot be written, or does not hold the codec. */
const OTHERWISE = 'mkv';

/**
 * Returns the output's name of the video `name`, which may be a path: the same, if its suffix is that of the
 * container to be written; else with that suffix appended (`a.avi.mkv`). The container is `format` if given;
 * else the video's own, if it can be written and holds the codec; else Matroska. Other videos that come later
 * change nothing, and `a.avi` and `a.mkv` do not share an output. The suffix of a table is its `format`.
 *
 * @throws {JobError} usage: when `format` is neither a container nor a table.
 */
export function outputName(name: string, { format, codec }: OutputNaming): string {
  const table = tableFormatNamed(format);
  if (format !== undefined && table !== undefined)
    return tableFormatOf(name) === table ? name : derivedPath(name, `.${format.toLowerCase()}`);
  const own = containerNamed(name);
  if (format !== undefined) {
    const asked = containerFor(name, format);
    return own?.name === asked.name ? name : derivedPath(name, `.${asked.name}`);
  }
  const kept = own !== undefined && CODEC_FACTS[codec].containers.includes(own.name);
  return kept ? name : derivedPath(name, `.${OTHERWISE}`);
}

/**
 * Returns the name of an input, from which its output is named.
 *
 * @throws {JobError} usage: when it has none.
 */
export function ownName(input: string): string {
  const name = lastName(parseLocation(input));
  if (name !== '' && name !== '.' && name !== '..' && !name.includes('\0')) return name;
  throw new JobError(
    'usage',
    `${JSON.stringify(displayText(input))} has no file name from which to name the output`,
  );
}

/** Returns whether `--table` gives the ending of a name alone: `.parquet`. */
export function isEnding(table: string): boolean {
  return table.startsWith('.') && tableFormatNamed(table.slice(1)) !== undefined;
}

/** Returns the place of the table beside an output: `table`, or the output's name with that ending. */
export function tableBeside(output: string, table: string | undefined): string | undefined {
  if (table === undefined || !isEnding(table)) return table;
  const place = parseLocation(output);
  return place.kind === 'file'
    ? derivedPath(place.path, table)
    : textOf(atName(place, derivedPath(place.name, table)));
}

/** Returns the name that version 0.1 gave with `--out-dir`: the container's suffix replaced the video's. */
export function formerOutputName(name: string, naming: OutputNaming): string {
  const dot = name.lastIndexOf('.');
  const stem = dot <= 0 ? name : name.slice(0, dot);
  if (tableFormatNamed(naming.format) !== undefined) return outputName(name, naming);
  if (naming.format !== undefined) return derivedName(stem, `.${containerFor(name, naming.format).name}`);
  return outputName(name, naming) === name ? name : derivedName(stem, `.${OTHERWISE}`);
}

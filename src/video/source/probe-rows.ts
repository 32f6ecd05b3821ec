/**
 * Reads ffprobe's report on a file's headers and on each of its packets or frames in one run, in bounded
 * memory.
 */
import { ffprobeLines } from '../ffmpeg/ffmpeg.js';
import { type Json, record } from './probe-values.js';

/** Packets and frames come before the headers, one per line. Parts of them are indented further. */
const BEGIN = /^ {4}"(?:packets|frames)": \[/;
const END = /^ {4}\]/;
const ROW = /^ {8}\{/;

/**
 * Runs ffprobe with `args`, which show packets or frames besides sections of the headers. Calls `onRow` with
 * each packet or frame without its side data, and returns the rest as JSON.
 *
 * @throws {JobError} ffmpeg: when ffprobe fails, with its messages.
 */
export async function ffprobeRows(
  file: string,
  args: readonly string[],
  onRow: (row: Json) => void,
): Promise<unknown> {
  let headers = '';
  let within = false;
  for await (const line of ffprobeLines(file, ['-of', 'json=c=1', ...args])) {
    if (within && !END.test(line)) {
      if (ROW.test(line)) onRow(rowIn(line));
      continue;
    }
    within = BEGIN.test(line);
    headers += line;
  }
  return JSON.parse(headers);
}

/** Parses a row. It ends with its line unless side data follows. */
function rowIn(line: string): Json {
  const told = line.trimEnd().replace(/,$/, '');
  return record(JSON.parse(told.endsWith('}') ? told : `${told} }`));
}

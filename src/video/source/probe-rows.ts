/** Reads what ffprobe tells of a file's headers and of each of its packets or frames in one run, in bounded memory. */
import { ffprobeLines } from '../ffmpeg/ffmpeg.js';
import { type Json, record } from './probe-values.js';

/** Packets and frames come before the headers, one a line; what belongs to one of them is indented further. */
const BEGIN = /^ {4}"(?:packets|frames)": \[/;
const END = /^ {4}\]/;
const ROW = /^ {8}\{/;

/**
 * Runs ffprobe with `args`, which show packets or frames beside sections of the headers, and calls `onRow` with each packet or
 * frame, less its side data. Gives the rest as JSON. Errors: JobError('ffmpeg') with ffprobe's words.
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

/** A row ends with its line unless side data follows. */
function rowIn(line: string): Json {
  const told = line.trimEnd().replace(/,$/, '');
  return record(JSON.parse(told.endsWith('}') ? told : `${told} }`));
}

import * as fs from 'node:fs/promises';
import { printable } from '../report/printable.js';
import { redact } from '../system/secret.js';

const TAIL_BYTES = 64 * 1024;

/**
 * Returns the last error in a job's log, text or JSON, as one line without secrets; undefined if there is
 * none.
 */
export async function lastError(path: string): Promise<string | undefined> {
  await using file = await fs.open(path, 'r');
  const { size } = await file.stat();
  const start = Math.max(0, size - TAIL_BYTES);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
  const lines = buffer.subarray(0, bytesRead).toString('utf8').split('\n');
  const errors = lines.flatMap((line) => errorIn(line) ?? []);
  return errors.length === 0 ? undefined : printable(redact(errors.at(-1) ?? ''));
}

function errorIn(line: string): string | undefined {
  const text = /^framescatter: error: (.*)$/.exec(line)?.[1];
  if (text !== undefined || !line.startsWith('{')) return text;
  try {
    const entry = JSON.parse(line) as { readonly level?: unknown; readonly message?: unknown };
    return entry.level === 'error' ? String(entry.message) : undefined;
  } catch {
    return undefined;
  }
}

import { JobError } from '../system/errors.js';
import { redact } from '../system/secret.js';
import { at, type Json, listAt, textAt } from './json.js';

const LONGEST = 600;

/** What Azure says went wrong, in an answer or in the state of a long-running operation. */
export interface Fault {
  readonly code: string;
  /** One line, without tokens or signatures. */
  readonly message: string;
}

/** Reads `{error: {code, message, details: [...]}}`, the form of Azure Resource Manager and of Azure ML. */
export function faultOf(body: Json): Fault {
  const error = at(body, 'error') ?? body;
  const code = textAt(error, 'code') ?? '';
  const details = listAt(error, 'details').map((detail) => textAt(detail, 'message'));
  const said = [textAt(error, 'message'), ...details].filter((text) => text !== undefined);
  return { code, message: oneLine([...new Set(said)].join(' ')) };
}

/** `text` on one line of bearable length, without secrets. */
export function oneLine(text: string): string {
  const line = redact(text).replace(/\s+/g, ' ').trim();
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST)}...`;
}

/** True where the fault is that the subscription may not have so many cores. */
export function isQuota(fault: Fault): boolean {
  return /quota/i.test(fault.code) || /\bquota\b/i.test(fault.message);
}

/** The error for a request that was answered with `status`; `doing` says what it was for ("creating the job x"). */
export function refused(doing: string, status: number, body: Json): JobError {
  const fault = faultOf(body);
  if (status === 401) {
    return say(
      `Azure does not accept the sign-in for ${doing}${why(fault)}`,
      'sign in again (az login), to the right tenant',
    );
  }
  if (status === 403) {
    return say(
      `Azure does not allow ${doing}${why(fault)}`,
      'the signed-in identity needs the role that docs/azure-ml.md names; a new role takes some minutes to count',
    );
  }
  if (status === 429) {
    return say(
      `Azure asked to slow down and went on asking, for ${doing}${why(fault)}`,
      'try again in some minutes',
    );
  }
  if (status === 404) {
    return say(
      `${doing} failed: there is no such thing${why(fault)}`,
      'check subscription, resource group, workspace and name',
    );
  }
  return failed(doing, fault, status === 409 ? 'conflict' : `HTTP ${status}`);
}

/** The error for something that was begun and ended badly. */
export function failed(doing: string, fault: Fault, kind = 'failed'): JobError {
  if (isQuota(fault)) {
    return say(
      `${doing} failed: the quota of the subscription is too small${why(fault)}`,
      'ask for more cores of this VM family in this region (portal: Quotas), or take fewer or smaller nodes',
    );
  }
  if (kind === 'conflict') {
    return say(
      `${doing} failed: it conflicts with what exists or is being changed${why(fault)}`,
      'wait until the other change is done, or take another name',
    );
  }
  return say(
    `${doing} failed (${fault.code === '' ? kind : fault.code})${fault.message === '' ? '' : `: ${fault.message}`}`,
  );
}

function why({ code, message }: Fault): string {
  const facts = [code, message].filter((text) => text !== '').join(': ');
  return facts === '' ? '' : ` (${facts})`;
}

function say(message: string, hint?: string): JobError {
  return new JobError('cloud', message, hint === undefined ? {} : { hint });
}

import { JobError } from '../system/errors.js';
import { redact } from '../system/secret.js';
import { at, type Json, listAt, textAt } from './json.js';

const MAX_LENGTH = 600;

/** Azure's error, from an answer or from the state of a long-running operation. */
export interface Fault {
  readonly code: string;
  /** One line, without tokens or signatures. */
  readonly message: string;
}

/** Reads `{error: {code, message, details: [...]}}`, the format of Azure Resource Manager and Azure ML. */
export function faultOf(body: Json): Fault {
  const error = at(body, 'error') ?? body;
  const code = textAt(error, 'code') ?? '';
  const details = listAt(error, 'details').map((detail) => textAt(detail, 'message'));
  const said = [textAt(error, 'message'), ...details].filter((text) => text !== undefined);
  return { code, message: oneLine([...new Set(said)].join(' ')) };
}

/** Returns `text` on one line of limited length, without secrets. */
export function oneLine(text: string): string {
  const line = redact(text).replace(/\s+/g, ' ').trim();
  return line.length <= MAX_LENGTH ? line : `${line.slice(0, MAX_LENGTH)}...`;
}

/** Returns true if the fault is that the subscription's quota is too small. */
export function isQuota(fault: Fault): boolean {
  return /quota/i.test(fault.code) || /\bquota\b/i.test(fault.message);
}

/**
 * Returns the error for a request that was answered with `status`; `doing` names it ("creating the job x").
 */
export function refused(doing: string, status: number, body: Json): JobError {
  const fault = faultOf(body);
  if (status === 401) {
    return cloudError(
      `Azure rejected the credentials for ${doing}${detail(fault)}`,
      'sign in again (az login), to the correct tenant',
    );
  }
  if (status === 403) {
    return cloudError(
      `Azure does not permit ${doing}${detail(fault)}`,
      'the signed-in identity needs the role listed in docs/azure-ml.md; a new role takes effect after some minutes',
    );
  }
  if (status === 429) {
    return cloudError(
      `Azure kept throttling the requests for ${doing}${detail(fault)}`,
      'try again in a few minutes',
    );
  }
  if (status === 404) {
    return cloudError(
      `${doing} failed: not found${detail(fault)}`,
      'check the subscription, resource group, workspace and name',
    );
  }
  return failed(doing, fault, status === 409 ? 'conflict' : `HTTP ${status}`);
}

/** Returns the error for an operation that began and failed. */
export function failed(doing: string, fault: Fault, kind = 'failed'): JobError {
  if (isQuota(fault)) {
    return cloudError(
      `${doing} failed: the quota of the subscription is too small${detail(fault)}`,
      'request more cores of this VM family in this region (portal: Quotas), or use fewer or smaller nodes',
    );
  }
  if (kind === 'conflict') {
    return cloudError(
      `${doing} failed: it conflicts with an existing resource or a change in progress${detail(fault)}`,
      'wait until the other change has finished, or use another name',
    );
  }
  return cloudError(
    `${doing} failed (${fault.code === '' ? kind : fault.code})${fault.message === '' ? '' : `: ${fault.message}`}`,
  );
}

function detail({ code, message }: Fault): string {
  const facts = [code, message].filter((text) => text !== '').join(': ');
  return facts === '' ? '' : ` (${facts})`;
}

function cloudError(message: string, hint?: string): JobError {
  return new JobError('cloud', message, hint === undefined ? {} : { hint });
}

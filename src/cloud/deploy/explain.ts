import { JobError } from '../../system/errors.js';
import { at, type Json, listAt, textAt } from '../json.js';
import { oneLine } from '../refusals.js';
import type { DeployRequest } from './deployment.js';

interface Cause {
  readonly code: string;
  readonly message: string;
}

/** Returns the error for a deployment that failed: the innermost cause, and what to do about it. */
export function deploymentError(error: Json, request: DeployRequest): JobError {
  const causes = causesOf(error);
  for (const [pattern, hint] of REMEDIES) {
    const cause = causes.find(({ code, message }) => pattern.test(code) || pattern.test(message));
    if (cause !== undefined) return failed(cause, hint(request));
  }
  return failed(
    causes.at(-1) ?? { code: 'Failed', message: '' },
    'run the same command again: it goes on where this one ended',
  );
}

type Remedy = (request: DeployRequest) => string;

/** By error codes of Resource Manager and its services; the first that fits is told. */
const REMEDIES: readonly (readonly [RegExp, Remedy])[] = [
  [
    /RequestDisallowedByPolicy/i,
    () => 'a policy of your organisation forbids this: ask who keeps it, or try --profile private',
  ],
  [
    /roleAssignments|AuthorizationFailed/i,
    ({ resourceGroup }) =>
      `have somebody give you the role Owner on the resource group ${resourceGroup}, or on the subscription`,
  ],
  [
    /RoleAssignmentUpdateNotPermitted|PrincipalNotFound/i,
    () => 'a new identity is not known everywhere yet: run the same command again in some minutes',
  ],
  [
    /FlagMustBeSetForRestore|soft.?deleted|ConflictError.*recover/i,
    () => 'something of this name was deleted and can still be restored: give another --prefix',
  ],
  [
    /AlreadyTaken|AlreadyInUse|NameUnavailable|AlreadyExists|NameNotAvailable|already in use/i,
    () => 'somebody has this name: give another --prefix',
  ],
  [
    /Quota|ClusterCoreQuotaReached/i,
    ({ location }) => `ask for more (portal: Quotas, region ${location}), or give fewer --nodes`,
  ],
  [
    /SkuNotAvailable|LocationNotAvailable|NotAvailableForResourceType|UnsupportedVMSize|InvalidVmSize/i,
    () => 'give another --location or --vm-size',
  ],
  [/MissingSubscriptionRegistration/i, () => 'run the same command again: it registers the provider'],
];

function failed({ code, message }: Cause, hint: string): JobError {
  return new JobError('cloud', `the deployment failed (${code})${message === '' ? '' : `: ${message}`}`, {
    hint,
  });
}

/** Returns all causes, the innermost last. Services put their own errors as JSON into messages. */
function causesOf(error: Json): readonly Cause[] {
  const message = textAt(error, 'message') ?? '';
  const inner = [...listAt(error, 'details'), at(error, 'innererror')].filter((one) => one !== undefined);
  const embedded = message.trimStart().startsWith('{') ? parsed(message) : undefined;
  const own: Cause = {
    code: textAt(error, 'code') ?? '',
    message: embedded === undefined ? oneLine(message) : '',
  };
  return [
    ...(own.code === '' && own.message === '' ? [] : [own]),
    ...inner.flatMap(causesOf),
    ...(embedded === undefined ? [] : causesOf(at(embedded, 'error') ?? embedded)),
  ];
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

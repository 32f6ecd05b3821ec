import { basename, resolve } from 'node:path';
import { JobError } from '../../system/errors.js';
import { Secret } from '../../system/secret.js';

/** A location on a file system or in Azure Blob storage. */
export type Location = FileLocation | BlobLocation;

export interface FileLocation {
  readonly kind: 'file';
  readonly path: string;
}

/** The parts that all Azure Storage addresses share. */
export interface AzureLocation {
  /**
   * Address of the account: `https://ACCOUNT.blob.core.windows.net`,
   * `http://127.0.0.1:10000/devstoreaccount1`.
   */
  readonly endpoint: string;
  readonly account: string;
  /** The address without its query, which may be shown and kept. */
  readonly url: string;
  /** The query, if the address has one. */
  readonly sas: Secret | undefined;
  /** The same for every address of one account: its secondary and private link endpoints belong to it. */
  readonly service: string;
}

/** A blob, a folder of blobs (a name's beginning), or, with an empty name, a whole container. */
export interface BlobLocation extends AzureLocation {
  readonly kind: 'blob';
  readonly container: string;
  /** Decoded, without a slash at either end. */
  readonly name: string;
}

/** A queue of Queue storage. */
export interface QueueLocation extends AzureLocation {
  readonly kind: 'queue';
  readonly queue: string;
}

/** Endpoints of the public cloud and of the sovereign ones, with their private link and DNS zone forms. */
const HOST =
  /^([a-z0-9]{3,24}?)(?:-secondary)?(?:\.z\d{1,2})?(?:\.privatelink)?\.(blob|queue)\.(core\.windows\.net|core\.chinacloudapi\.cn|core\.usgovcloudapi\.net|core\.cloudapi\.de|storage\.azure\.net)$/;
/**
 * docs of Blob storage, "Naming containers"; the three with a dollar sign are the service's own. Queues: the
 * same.
 */
const CONTAINER = /^(?:(?=.{3,63}$)[a-z0-9](?:-?[a-z0-9])*|\$root|\$web|\$logs)$/;
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;
const LONGEST_NAME = 1024;
/** The terms that messages use for each service. */
const SERVICES = {
  blob: {
    title: 'Blob storage',
    holder: 'container',
    expected: 'a blob is https://ACCOUNT.blob.core.windows.net/CONTAINER/NAME, with or without a SAS',
  },
  queue: {
    title: 'Queue storage',
    holder: 'queue',
    expected: 'a queue is https://ACCOUNT.queue.core.windows.net/QUEUE, with or without a SAS',
  },
} as const;

/** Returns whether `text` is an address and not a path. */
export function isAddress(text: string): boolean {
  return /^https?:\/\//i.test(text) || /^(?:wasbs?|abfss?|azureml):\/\//i.test(text);
}

/**
 * Parses a path or an address of Blob storage. http is refused except for loopback (the Azurite emulator,
 * whose addresses are ORIGIN/ACCOUNT/CONTAINER/NAME).
 *
 * @throws {JobError} usage: when an address is not valid. The message never holds the query.
 */
export function parseLocation(text: string): Location {
  return isAddress(text) ? parseBlob(text) : { kind: 'file', path: text };
}

/** Returns the part of a location that may be shown: a path, or an address without its query. */
export function display(location: Location): string {
  return location.kind === 'file' ? location.path : location.url;
}

/**
 * Returns `text`, a path or an address, without anything secret. Unlike `parseLocation` it accepts any text.
 */
export function displayText(text: string): string {
  return isAddress(text) ? text.replace(/[?#].*$/s, '') : text;
}

/** Returns the address of `name` in the same container, with the same credential. */
export function atName(location: BlobLocation, name: string): BlobLocation {
  return { ...location, name, url: urlOf(location.endpoint, location.container, name) };
}

/** Returns the name of the blob `name` below the folder `location`. */
export function nameBelow(location: BlobLocation, name: string): string {
  return location.name === '' ? name : `${location.name}/${name}`;
}

/** Returns the location of `name` in the folder `location`, with the same credential. */
export function below(location: Location, name: string): Location {
  return location.kind === 'file'
    ? { kind: 'file', path: resolve(location.path, name) }
    : atName(location, nameBelow(location, name));
}

/** Returns the text that `parseLocation` parses into `location`, with its credential: never show it. */
export function textOf(location: Location): string {
  if (location.kind === 'file') return location.path;
  return location.sas === undefined ? location.url : `${location.url}?${location.sas.reveal()}`;
}

/** Returns the last part of a path or of a blob's name. */
export function lastName(location: Location): string {
  return basename(location.kind === 'file' ? location.path : location.name);
}

/**
 * Returns true if both are the same blob, through whichever endpoint. False for files: only a file system can
 * tell.
 */
export function sameBlob(a: Location, b: Location): boolean {
  return (
    a.kind === 'blob' &&
    b.kind === 'blob' &&
    a.service === b.service &&
    a.container === b.container &&
    a.name === b.name
  );
}

/** Parses the address of a queue. Throws as `parseLocation`. */
export function parseQueue(text: string): QueueLocation {
  const { holder, name, ...address } = parseAddress(text, 'queue');
  if (name !== '') throw bad(`${displayText(text)} names more than a queue`, SERVICES.queue.expected);
  return { kind: 'queue', ...address, queue: holder };
}

function parseBlob(text: string): BlobLocation {
  const { holder, ...address } = parseAddress(text, 'blob');
  return { kind: 'blob', ...address, container: holder };
}

/** Parses an address. `holder` is the container or queue, `name` what follows it. */
function parseAddress(
  text: string,
  kind: keyof typeof SERVICES,
): AzureLocation & { readonly holder: string; readonly name: string } {
  const { title, holder: what, expected } = SERVICES[kind];
  const refuse = (message: string, hint: string = expected): JobError => bad(message, hint);
  const shown = displayText(text);
  // The URL parser drops tabs and line ends, so that the address would name another blob.
  if (hasControlCharacter(text)) throw refuse(`${JSON.stringify(shown)} has control characters`);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw refuse(`${shown} is not a valid address`);
  const loopback = LOOPBACK.test(url.hostname);
  if (url.protocol === 'http:' && !loopback) {
    throw refuse(
      `${shown} is not encrypted`,
      'write https:// (http is for an emulator on this machine only)',
    );
  }
  const host = HOST.exec(url.hostname);
  if (!/^https?:$/.test(url.protocol) || !(loopback || host?.[2] === kind)) {
    const dfs = /\.dfs\.core\./.test(shown) ? ' (write .blob. for .dfs.: it is the same account)' : '';
    throw refuse(`${shown} is not an address of ${title}${dfs}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw refuse(`an address of ${title} has no user name or password before the host`);
  }
  if (url.hash !== '') throw refuse(`${shown} is followed by a #`, 'a # in a name is written %23');
  const segments = url.pathname.split('/').slice(1);
  const account = host?.[1] ?? segments.shift() ?? '';
  const [holder = '', ...rest] = segments.map((segment) => decode(segment, shown));
  if (account === '' || holder === '') throw refuse(`${shown} names no ${what}`);
  if (!CONTAINER.test(holder)) {
    throw refuse(
      `"${holder}" in ${shown} cannot be a ${what}`,
      `${what}s have 3 to 63 lower-case letters, digits and single dashes`,
    );
  }
  const name = rest.join('/').replace(/\/$/, '');
  if (name.length > LONGEST_NAME) throw refuse(`${shown} has a name of more than ${LONGEST_NAME} characters`);
  const endpoint = loopback ? `${url.origin}/${account}` : url.origin;
  const service = host === null ? `${account}.loopback:${url.port}` : `${account}.${host[3]}`;
  return {
    endpoint,
    account,
    holder,
    name,
    url: urlOf(endpoint, holder, name),
    sas: sasOf(url, shown),
    service,
  };
}

function urlOf(endpoint: string, container: string, name: string): string {
  const path = name === '' ? [] : name.split('/');
  return [endpoint, container, ...path.map(encodeURIComponent)].join('/');
}

function sasOf(url: URL, shown: string): Secret | undefined {
  if (url.search.length <= 1) return undefined;
  if (!url.searchParams.has('sig')) {
    throw bad(`what follows ${shown}? is not a SAS: it has no signature`, 'a ? in a name is written %3F');
  }
  return new Secret(url.search.slice(1));
}

function decode(segment: string, shown: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw bad(`${shown} has a % that encodes nothing`, 'a % in a name is written %25');
  }
}

function hasControlCharacter(text: string): boolean {
  return [...text].some((character) => character < ' ' || character === '\u007f');
}

function bad(message: string, hint: string): JobError {
  return new JobError('usage', message, { hint });
}

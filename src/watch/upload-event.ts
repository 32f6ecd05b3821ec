import { type BlobLocation, nameBelow, parseLocation } from '../storage/location/location.js';
import { isVideoName } from '../storage/video-listing.js';

/**
 * A parsed message of Event Grid: an `upload` of a video under one of `names`, relative to the watched
 * location; an event to be ignored (`foreign`); or a malformed message.
 */
export type ParsedMessage =
  | { readonly kind: 'upload'; readonly names: readonly string[] }
  | { readonly kind: 'foreign'; readonly reason: string }
  | { readonly kind: 'malformed'; readonly reason: string };

type Fields = Readonly<Record<string, unknown>>;

const SUBJECT = /^\/blobServices\/default\/containers\/([^/]+)\/blobs\/(.+)$/s;
/** With a hierarchical namespace or SFTP, a file is created first and written later. */
const INCOMPLETE: readonly unknown[] = ['CreateFile', 'SftpCreate'];

/** The field of a message that counts its regular returns: a queue counts only deliveries. */
const RETURNS = 'returns';

/** Returns how often a watcher has returned the message to the queue. */
export function returnsOf(text: string): number {
  const returns = eventIn(text)?.[RETURNS];
  return typeof returns === 'number' ? returns : 0;
}

/** Returns the text of the message for its next return to the queue. */
export function returned(text: string): string {
  const event = eventIn(text);
  if (event === undefined) return text;
  return Buffer.from(JSON.stringify({ ...event, [RETURNS]: returnsOf(text) + 1 })).toString('base64');
}

/** Parses an event of a storage account, in Event Grid's schema or CloudEvents'. Pure. */
export function readUpload(text: string, place: BlobLocation): ParsedMessage {
  const event = eventIn(text);
  if (event === undefined) return malformed('it is not a JSON object, plain or in base64');
  const type = event.eventType ?? event.type;
  if (typeof type !== 'string') return malformed('it has no eventType');
  if (type !== 'Microsoft.Storage.BlobCreated') return ignored(`its type is ${type}`);
  const { url, api } = (event.data ?? {}) as Fields;
  const subject = typeof event.subject === 'string' ? SUBJECT.exec(event.subject) : null;
  if (subject === null) return malformed('its subject does not name a blob');
  const [, container = '', blob = ''] = subject;
  // Only the URL names the account.
  const address = typeof url === 'string' ? addressOf(url, container) : undefined;
  if (address === undefined) return malformed('its data.url is not the address of a blob in that container');
  if (INCOMPLETE.includes(api)) return ignored(`${blob} is still being written`);
  const { location } = address;
  const here = location.service === place.service && location.container === place.container;
  // Subjects are not percent-encoded, but garble characters beyond Unicode's Basic Multilingual Plane.
  const names = [...new Set([blob, address.name])].flatMap((name) => below(place, name) ?? []);
  if (!here || names.length === 0)
    return ignored(`${location.url}/${blob} is not a video in the watched location`);
  return { kind: 'upload', names };
}

function ignored(reason: string): ParsedMessage {
  return { kind: 'foreign', reason };
}

function malformed(reason: string): ParsedMessage {
  return { kind: 'malformed', reason };
}

/** Parses JSON, plain or in base64, as Event Grid writes it into queues. */
function eventIn(text: string): Fields | undefined {
  return objectIn(text) ?? objectIn(Buffer.from(text, 'base64').toString('utf8'));
}

function objectIn(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the container of the blob at `url`, and its name from there, decoded if possible. */
function addressOf(
  url: string,
  container: string,
): { readonly location: BlobLocation; readonly name: string } | undefined {
  const end = url.indexOf(`/${container}/`) + container.length + 1;
  try {
    // Events of uploads through the Data Lake endpoint have that address.
    const location = parseLocation(url.slice(0, end).replace('.dfs.', '.blob.'));
    return location.kind === 'blob' ? { location, name: decoded(url.slice(end + 1)) } : undefined;
  } catch {
    return undefined;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Returns the name of a video relative to the watched location; undefined if it is not one there. */
function below(place: BlobLocation, name: string): string | undefined {
  const prefix = nameBelow(place, '');
  const rest = name.slice(prefix.length);
  return name.startsWith(prefix) && isVideoName(rest) ? rest : undefined;
}

import { type BlobLocation, nameBelow, parseLocation } from '../storage/location/location.js';
import { isVideoName } from '../storage/video-listing.js';

/**
 * What a message of Event Grid tells: an `upload` of a video into the watched place, under one of `names` (below that
 * place); something `foreign` to it; or nothing that can be understood.
 */
export type Told =
  | { readonly kind: 'upload'; readonly names: readonly string[] }
  | { readonly kind: 'foreign'; readonly what: string }
  | { readonly kind: 'malformed'; readonly reason: string };

type Fields = Readonly<Record<string, unknown>>;

const SUBJECT = /^\/blobServices\/default\/containers\/([^/]+)\/blobs\/(.+)$/s;
/** With a hierarchical namespace or SFTP a file is made first, and written then. */
const NOT_WHOLE_YET: readonly unknown[] = ['CreateFile', 'SftpCreate'];

/** In a message that was given back: how often. A queue counts deliveries, but not which of them ended in order. */
const RETURNS = 'returns';

/** How often the message was given back in order. */
export function returnsOf(text: string): number {
  const returns = eventIn(text)?.[RETURNS];
  return typeof returns === 'number' ? returns : 0;
}

/** The message as it is given back. */
export function returned(text: string): string {
  const event = eventIn(text);
  if (event === undefined) return text;
  return Buffer.from(JSON.stringify({ ...event, [RETURNS]: returnsOf(text) + 1 })).toString('base64');
}

/** Reads an event of a storage account, in Event Grid's own schema or CloudEvents'. Pure. */
export function readUpload(text: string, place: BlobLocation): Told {
  const event = eventIn(text);
  if (event === undefined) return malformed('it is no JSON object, neither plain nor in base64');
  const type = event.eventType ?? event.type;
  if (typeof type !== 'string') return malformed('it has no eventType');
  if (type !== 'Microsoft.Storage.BlobCreated') return { kind: 'foreign', what: `of ${type}` };
  const { url, api } = (event.data ?? {}) as Fields;
  const subject = typeof event.subject === 'string' ? SUBJECT.exec(event.subject) : null;
  if (subject === null) return malformed('its subject names no blob');
  const [, container = '', blob = ''] = subject;
  // The account is in the URL alone.
  const address = typeof url === 'string' ? addressOf(url, container) : undefined;
  if (address === undefined) return malformed('its data.url is not the address of a blob in that container');
  if (NOT_WHOLE_YET.includes(api)) return { kind: 'foreign', what: `of ${blob}, which is not whole yet` };
  const { location } = address;
  const here = location.service === place.service && location.container === place.container;
  // Subjects are not percent-encoded, but garble what is outside of Unicode's first plane.
  const names = [...new Set([blob, address.name])].flatMap((name) => below(place, name) ?? []);
  if (!here || names.length === 0) return { kind: 'foreign', what: `of ${location.url}/${blob}` };
  return { kind: 'upload', names };
}

function malformed(reason: string): Told {
  return { kind: 'malformed', reason };
}

/** JSON, plain or, as Event Grid writes it into queues, in base64. */
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

/** The container of the blob at `url`, and the blob's name as it stands there, decoded if it can be. */
function addressOf(
  url: string,
  container: string,
): { readonly location: BlobLocation; readonly name: string } | undefined {
  const end = url.indexOf(`/${container}/`) + container.length + 1;
  try {
    // What was written through the Data Lake endpoint is told of under that.
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

/** The name below the place, of a video there. */
function below(place: BlobLocation, name: string): string | undefined {
  const prefix = nameBelow(place, '');
  const rest = name.slice(prefix.length);
  return name.startsWith(prefix) && isVideoName(rest) ? rest : undefined;
}

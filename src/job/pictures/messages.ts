/** The messages between the root and a rank in a job of pictures. Groups of pictures are its pieces. */
import type { World } from '../../mpi/world.js';
import { CONTENT_TYPES, type PictureFormat } from '../../pictures/formats.js';
import { isPlainObject } from '../../system/plain-object.js';
import { isShapes, isStamp, type SourceStamp } from '../journal/picture-record.js';
import {
  type Channel,
  type Control,
  checkedChannel,
  type Ending,
  isList,
  isNumber,
  isString,
  parseControl,
  parseEnding,
} from '../split/channel.js';

/** A picture on its way to a rank. The bytes of the files go with the message, one after another. */
export interface SentPicture {
  /** Its place in the group, from 0. */
  readonly place: number;
  readonly stamp: SourceStamp;
  /** The format of the picture to make; null if a table is made. */
  readonly format: PictureFormat | null;
}

/** A group of pictures for a rank. Those that the root could not read are not among them. */
export interface GroupOrder {
  readonly kind: 'piece';
  readonly index: number;
  readonly pictures: readonly SentPicture[];
}

/** What became of a picture. Its file, or its packed rows, goes with the message. */
export interface MadePicture {
  readonly place: number;
  readonly stamp: SourceStamp;
  /** SHA-256 of the source, in hexadecimal. */
  readonly sha256: string;
  /** Why it could not be made; null if it was. */
  readonly error: string | null;
  readonly finite: boolean;
  readonly bytes: number;
  /** The shapes of the tensors that the rows are made of; null if there are none. */
  readonly shapes: readonly (readonly number[])[] | null;
  readonly furtherPages: number;
}

export interface GroupDone {
  readonly kind: 'done';
  readonly index: number;
  /** Start of the work on it, in milliseconds since 1970. */
  readonly began: number;
  readonly pictures: readonly MadePicture[];
}

export type GroupsToRank = GroupOrder | Control;
export type GroupsFromRank = GroupDone | Ending;

/** Opens the root's channel to another rank, which must call `groupsToRoot`. */
export function groupsToRank(world: World, rank: number): Channel<GroupsToRank, GroupsFromRank> {
  return checkedChannel(world, rank, parseFromRank);
}

/** Opens another rank's channel to the root. */
export function groupsToRoot(world: World, root: number): Channel<GroupsFromRank, GroupsToRank> {
  return checkedChannel(world, root, parseToRank);
}

function parseToRank(value: unknown): GroupsToRank | undefined {
  if (!isPlainObject(value)) return undefined;
  const { kind, index, pictures } = value;
  if (kind === 'piece' && isNumber(index) && isList(pictures, isSent)) return { kind, index, pictures };
  return parseControl(value);
}

function parseFromRank(value: unknown): GroupsFromRank | undefined {
  if (!isPlainObject(value)) return undefined;
  const { kind, index, began, pictures } = value;
  if (kind === 'done' && isNumber(index) && isNumber(began) && isList(pictures, isMade))
    return { kind, index, began, pictures };
  return parseEnding(value);
}

function isSent(value: unknown): value is SentPicture {
  if (!isPlainObject(value)) return false;
  const { place, stamp, format } = value;
  return isNumber(place) && isStamp(stamp) && (format === null || isFormat(format));
}

function isFormat(value: unknown): value is PictureFormat {
  return isString(value) && Object.hasOwn(CONTENT_TYPES, value);
}

function isMade(value: unknown): value is MadePicture {
  if (!isPlainObject(value)) return false;
  const { place, stamp, sha256, error, finite, bytes, shapes, furtherPages } = value;
  return (
    isNumber(place) &&
    isStamp(stamp) &&
    isString(sha256) &&
    (error === null || isString(error)) &&
    typeof finite === 'boolean' &&
    isNumber(bytes) &&
    isNumber(furtherPages) &&
    (shapes === null || isShapes(shapes))
  );
}

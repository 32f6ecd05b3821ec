import { isAddress, parseLocation, sameBlob } from '../storage/location/location.js';
import { JobError } from '../system/errors.js';

/** A job in the cloud: Blob addresses without credentials, and arguments that no shell changes. */
export interface VideoJob {
  readonly video: string;
  readonly result: string;
  /**
   * The folder of the journal, from which a preempted job resumes; undefined for one in the workspace's
   * storage account.
   */
  readonly workDir: string | undefined;
  readonly model: string;
  /** More options on the command line of the job. */
  readonly options: readonly string[];
}

/** A job whose journal has a place. */
export interface PlacedJob extends VideoJob {
  readonly workDir: string;
}

/**
 * Azure ML substitutes values into a shell command line, so they may hold only characters without a meaning
 * there.
 */
const PLAIN = /^[A-Za-z0-9=.,:_%+@/-]+$/;
const GIVEN_SEPARATELY = /^--(?:model|work-dir)(?:=|$)/;

/**
 * Checks and normalizes the inputs of a job, so that no uploaded name can act as code on the command line
 * that Azure ML builds.
 *
 * @throws {JobError} usage: for a path, for an address with a SAS (Azure ML keeps and shows a job's inputs),
 *   and for arguments that a shell would change.
 */
export function videoJob(request: {
  readonly input: string;
  readonly output: string;
  readonly workDir: string | undefined;
  readonly model: string;
  readonly options: readonly string[];
}): VideoJob {
  const video = blobAddress(request.input, 'INPUT');
  const result = blobAddress(request.output, 'OUTPUT');
  if (sameBlob(parseLocation(video), parseLocation(result))) {
    throw new JobError('usage', 'INPUT and OUTPUT are the same blob', {
      hint: 'give the result another name',
    });
  }
  const separate = request.options.find((word) => GIVEN_SEPARATELY.test(word));
  if (separate !== undefined) {
    throw new JobError('usage', `${separate} belongs before the --`, {
      hint: 'give only other options of the job after the --',
    });
  }
  return {
    video,
    result,
    workDir: request.workDir === undefined ? undefined : blobAddress(request.workDir, '--work-dir'),
    model: modelArgument(request.model),
    options: request.options.map((word) => plainArgument(word, 'an option of the job')),
  };
}

/**
 * Returns the address of a blob, percent-encoding all that a shell or Azure ML's `${{...}}` could interpret.
 */
export function blobAddress(text: string, what: string): string {
  if (!isAddress(text)) {
    throw new JobError(
      'usage',
      `${what} is not an address in Blob storage: a job in the cloud cannot read local files`,
      {
        hint: 'upload it (az storage blob upload) and give https://ACCOUNT.blob.core.windows.net/CONTAINER/NAME',
      },
    );
  }
  const location = parseLocation(text);
  if (location.kind === 'file') throw new Error('an address is never a file');
  if (location.sas !== undefined) {
    throw new JobError('usage', `${what} has a SAS, which the record of the job would keep and show`, {
      hint: "omit the SAS: the cluster's managed identity reads and writes the blobs",
    });
  }
  if (location.name === '') {
    throw new JobError('usage', `${what} is a container, not a blob`, {
      hint: `${location.url}/NAME`,
    });
  }
  return encodeFully(location.url);
}

/**
 * Returns the address of a container or a folder in one, in the form of `blobAddress`.
 *
 * @throws {JobError} usage: for a path, and for an address with a SAS.
 */
export function blobFolder(text: string, what: string): string {
  const name = 'x';
  const address = blobAddress(`${text.replace(/\/+$/, '')}/${name}`, what);
  return address.slice(0, -name.length - 1);
}

function encodeFully(url: string): string {
  return url.replace(
    /[^A-Za-z0-9\-._~/:%]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function modelArgument(model: string): string {
  if (isAddress(model)) return blobAddress(model, '--model');
  if (/\.onnx$/i.test(model)) {
    throw new JobError('usage', `the model ${model} is a local file, which the job cannot read`, {
      hint: 'upload it and give its address, or use a model in the image (framescatter models lists them)',
    });
  }
  return plainArgument(model, 'the model');
}

function plainArgument(word: string, what: string): string {
  if (PLAIN.test(word)) return word;
  throw new JobError('usage', `${what} cannot be ${JSON.stringify(word)} for a job in the cloud`, {
    hint: 'use only letters, digits and = . , : _ % + @ / -',
  });
}

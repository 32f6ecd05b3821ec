import { workBeside } from '../storage/location/derived-names.js';
import { display, isAddress, parseLocation, sameBlob } from '../storage/location/location.js';
import { JobError } from '../system/errors.js';

/** What a job in the cloud works on: Blob addresses without credentials, and words that a shell takes as they are. */
export interface FilmJob {
  readonly video: string;
  readonly result: string;
  /** Folder of the journal: what a pre-empted job's successor goes on from. */
  readonly workDir: string;
  readonly model: string;
  /** More options of the job's command line. */
  readonly options: readonly string[];
}

/** Azure ML puts values into a command line for a shell: only characters that mean nothing to any shell may be in them. */
const PLAIN = /^[A-Za-z0-9=.,:_%+@/-]+$/;
const GIVEN_APART = /^--(?:model|work-dir)(?:=|$)/;

/**
 * Checks and normalises what a job is asked to do: so that no name, whatever an uploader called it, can be more than a
 * name on the command line that Azure ML makes of it.
 *
 * @throws JobError('usage') for a path, for an address with a SAS (a job's inputs are shown in the studio and kept), and
 *   for words that a shell would change.
 */
export function filmJob(asked: {
  readonly input: string;
  readonly output: string;
  readonly workDir: string | undefined;
  readonly model: string;
  readonly options: readonly string[];
}): FilmJob {
  const video = blobAddress(asked.input, 'INPUT');
  const result = blobAddress(asked.output, 'OUTPUT');
  if (sameBlob(parseLocation(video), parseLocation(result))) {
    throw new JobError('usage', 'INPUT and OUTPUT are the same blob', {
      hint: 'give the result another name',
    });
  }
  const apart = asked.options.find((word) => GIVEN_APART.test(word));
  if (apart !== undefined) {
    throw new JobError('usage', `${apart} stands before the --`, {
      hint: 'after it come only options of the job itself',
    });
  }
  return {
    video,
    result,
    workDir: blobAddress(asked.workDir ?? display(workBeside(parseLocation(result))), '--work-dir'),
    model: modelWord(asked.model),
    options: asked.options.map((word) => plainWord(word, 'an option of the job')),
  };
}

/** The address of a blob with everything encoded that a shell or Azure ML's `${{...}}` could take for more than text. */
export function blobAddress(text: string, what: string): string {
  if (!isAddress(text)) {
    throw new JobError(
      'usage',
      `${what} is not an address of Blob storage: a job in the cloud cannot see local files`,
      {
        hint: 'upload it (az storage blob upload) and give https://ACCOUNT.blob.core.windows.net/CONTAINER/NAME',
      },
    );
  }
  const location = parseLocation(text);
  if (location.kind === 'file') throw new Error('an address is never a file');
  if (location.sas !== undefined) {
    throw new JobError('usage', `${what} carries a SAS, which the job's record would keep and show`, {
      hint: "give the address without it: the cluster's managed identity reads and writes the blobs",
    });
  }
  if (location.name === '') {
    throw new JobError('usage', `${what} names a container, not a blob in it`, {
      hint: `${location.url}/NAME`,
    });
  }
  return encodeFully(location.url);
}

function encodeFully(url: string): string {
  return url.replace(
    /[^A-Za-z0-9\-._~/:%]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function modelWord(model: string): string {
  if (isAddress(model)) return blobAddress(model, '--model');
  if (/\.onnx$/i.test(model)) {
    throw new JobError('usage', `the model ${model} is a file that the job would not find`, {
      hint: 'upload it and give its address, or take one of the models in the image (framescatter models)',
    });
  }
  return plainWord(model, 'the model');
}

function plainWord(word: string, what: string): string {
  if (PLAIN.test(word)) return word;
  throw new JobError('usage', `${what} cannot be ${JSON.stringify(word)} in a job in the cloud`, {
    hint: 'letters, digits and = . , : _ % + @ / - are passed on as they are',
  });
}

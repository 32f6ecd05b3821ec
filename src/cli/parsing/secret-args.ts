import { displayText, isAddress, parseLocation } from '../../storage/location/location.js';
import { JobError } from '../../system/errors.js';
import { redact } from '../../system/secret.js';

/**
 * Refuses arguments with a SAS or a key, by themselves or as the value of an option (`--model=ADDRESS`):
 * others would see them. `shown` ends the sentence "... carries a SAS or a key, which ...".
 *
 * @throws {JobError} usage: without the secret, when there is one, or when an address is not valid.
 */
export function refuseSecrets(words: readonly string[], shown: string, hint: string): void {
  for (const word of words) {
    const value = word.replace(/^--[\w-]+=/, '');
    if (isAddress(value)) parseLocation(value);
    if (redact(word) === word) continue;
    throw new JobError('usage', `${redact(displayText(value))} carries a SAS or a key, which ${shown}`, {
      hint,
    });
  }
}

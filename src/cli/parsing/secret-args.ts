import { displayText, isAddress, parseLocation } from '../../storage/location/location.js';
import { JobError } from '../../system/errors.js';
import { redact } from '../../system/secret.js';

/**
 * Refuses words that hold a SAS or a key, which others would see where the words end up: as they are, or as the value of
 * an option (`--model=ADDRESS`). `shown` ends the sentence "... carries a SAS or a key, which ...". Bad addresses are
 * refused too. Errors are JobErrors `usage` without the secret.
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

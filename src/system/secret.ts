import { inspect } from 'node:util';

const MASK = 'REDACTED';

/** A secret in memory. However it is printed, converted or serialised it shows a mask: only `reveal` gives it. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}

/**
 * What gives access, in the forms in which it turns up in texts: a SAS's signature, a connection string's key, an
 * Authorization header, a token endpoint's answer, a JSON Web Token. The group is what may stay.
 */
const SECRETS: readonly RegExp[] = [
  /((?:\b|%26|%3F)(?:sig|signature)(?:=|%3D))(?:(?!%26)[^\s&"'<>;,])+/gi,
  /(\b(?:AccountKey|SharedAccessSignature|SharedAccessKey|client_secret|client_assertion|access_token|refresh_token)\s*=\s*)[^\s;&"']+/gi,
  /("(?:access_?token|refresh_?token|client_?secret|token|secret)"\s*:\s*")[^"]+/gi,
  /(\bBearer\s+)[\w.~+/=-]+/gi,
  /(\bSharedKey(?:Lite)?\s+[\w-]+:)[\w+/=]+/gi,
  /()\beyJ[\w-]+\.[\w-]+\.[\w-]*/g,
];

/** `text` without what would give access to storage: signatures, keys and tokens become a mask. */
export function redact(text: string): string {
  return SECRETS.reduce((kept, pattern) => kept.replace(pattern, `$1${MASK}`), text);
}

/**
 * Where an argument holds a secret, takes this process's arguments out of the sight of other users (ps, /proc). Setting
 * the title overwrites them in memory; `process.argv` stays.
 */
export function hideArguments(argv: readonly string[]): void {
  if (argv.some((word) => redact(word) !== word)) process.title = 'framescatter';
}

import { inspect } from 'node:util';

const MASK = 'REDACTED';

/**
 * A secret in memory. It shows a mask when it is printed, converted or serialised. Only `reveal` returns the
 * text.
 */
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
 * The forms of credentials in texts: a SAS's signature, a connection string's key, an Authorization header, a
 * token endpoint's answer, a JSON Web Token. The group is the part that stays.
 */
const SECRETS: readonly RegExp[] = [
  /((?:\b|%26|%3F)(?:sig|signature)(?:=|%3D))(?:(?!%26)[^\s&"'<>;,])+/gi,
  /(\b(?:AccountKey|SharedAccessSignature|SharedAccessKey|client_secret|client_assertion|access_token|refresh_token)\s*=\s*)[^\s;&"']+/gi,
  /("(?:access_?token|refresh_?token|client_?secret|token|secret)"\s*:\s*")[^"]+/gi,
  /(\bBearer\s+)[\w.~+/=-]+/gi,
  /(\bSharedKey(?:Lite)?\s+[\w-]+:)[\w+/=]+/gi,
  /()\beyJ[\w-]+\.[\w-]+\.[\w-]*/g,
];

/** Returns `text` with a mask in place of each credential: signatures, keys and tokens. */
export function redact(text: string): string {
  return SECRETS.reduce((kept, pattern) => kept.replace(pattern, `$1${MASK}`), text);
}

/**
 * Hides this process's arguments from other users (ps, /proc) if one holds a secret. Setting the title
 * overwrites them in memory; `process.argv` stays.
 */
export function hideArguments(argv: readonly string[]): void {
  if (argv.some((word) => redact(word) !== word)) process.title = 'framescatter';
}
